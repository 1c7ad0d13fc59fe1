// What an API server would say of objects, without one: a YAML stream comes in, and for each object a line of JSON goes
// out. It is Kubernetes' own code: strict decoding, defaults, the strategies that the API server creates objects with,
// and the evaluator of Pod Security.
//
//	{"kind": "Job", "name": "x", "errors": [...], "restricted": ["runAsNonRoot != true: …"], "baseline": []}
//
// errors      why it would be refused, a field that is silently dropped because its feature is off among them
// restricted, baseline   what the Pod Security standard of that name has against the pods it makes
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// A Service is created by more than its strategy (addresses are allocated): it is decoded strictly and defaulted only.
var strategies = map[string]rest.RESTCreateStrategy{
	"ConfigMap":             configmap.Strategy,
	"DaemonSet":             daemonset.Strategy,
	"Deployment":            deployment.Strategy,
	"Job":                   job.Strategy,
	"Namespace":             namespace.Strategy,
	"NetworkPolicy":         networkpolicy.Strategy,
	"PersistentVolumeClaim": persistentvolumeclaim.Strategy,
	"Pod":                   pod.Strategy,
	"Service":               nil,
	"StatefulSet":           statefulset.Strategy,
}

type verdict struct {
	Kind       string   `json:"kind"`
	Name       string   `json:"name"`
	Errors     []string `json:"errors"`
	Restricted []string `json:"restricted"`
	Baseline   []string `json:"baseline"`
}

func create(kind string, versioned runtime.Object) error {
	strategy, known := strategies[kind]
	if !known {
		return fmt.Errorf("admission.go has no strategy for %s", kind)
	}
	if strategy == nil {
		return nil
	}
	internal, err := legacyscheme.Scheme.ConvertToVersion(versioned, runtime.InternalGroupVersioner)
	if err != nil {
		return err
	}
	meta := internal.(metav1.Object)
	if strategy.NamespaceScoped() && meta.GetNamespace() == "" {
		meta.SetNamespace("test")
	}
	rest.FillObjectMetaSystemFields(meta)
	before := internal.DeepCopyObject()
	resource, _ := apimeta.UnsafeGuessKindToResource(versioned.GetObjectKind().GroupVersionKind())
	ctx := genericrequest.WithNamespace(genericrequest.NewContext(), meta.GetNamespace())
	ctx = genericrequest.WithRequestInfo(ctx, &genericrequest.RequestInfo{IsResourceRequest: true, Verb: "create",
		APIGroup: resource.Group, APIVersion: resource.Version, Resource: resource.Resource, Namespace: meta.GetNamespace()})
	if err := rest.BeforeCreate(strategy, ctx, internal); err != nil {
		return err
	}
	return dropped(kind, before, internal)
}

// Fields whose feature is off vanish when an object is created, without a word.
func dropped(kind string, before, after runtime.Object) error {
	if kind != "Job" && kind != "Pod" {
		return nil
	}
	gone := fieldsOf("", reflect.ValueOf(before).Elem().FieldByName("Spec"))
	for name := range fieldsOf("", reflect.ValueOf(after).Elem().FieldByName("Spec")) {
		delete(gone, name)
	}
	for name := range gone {
		return fmt.Errorf("spec%s is dropped: its feature is not on by default", name)
	}
	return nil
}

// The paths of all fields that are set.
func fieldsOf(path string, value reflect.Value) map[string]bool {
	found := map[string]bool{}
	add := func(name string, v reflect.Value) {
		for below := range fieldsOf(path+"."+name, v) {
			found[below] = true
		}
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			return fieldsOf(path, value.Elem())
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				add(value.Type().Field(i).Name, value.Field(i))
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			add(fmt.Sprint(i), value.Index(i))
		}
	default:
		if !value.IsZero() {
			found[path] = true
		}
	}
	return found
}

func podOf(object runtime.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch o := object.(type) {
	case *corev1.Pod:
		return &o.ObjectMeta, &o.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *batchv1.Job:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	}
	return nil, nil
}

func judge(text []byte, decoder runtime.Decoder, security policy.Evaluator) verdict {
	v := verdict{Errors: []string{}, Restricted: []string{}, Baseline: []string{}}
	object, kind, err := decoder.Decode(text, nil, nil)
	if kind != nil {
		v.Kind = kind.Kind
	}
	if err != nil {
		v.Errors = append(v.Errors, err.Error())
		return v
	}
	v.Name = object.(metav1.Object).GetName()
	legacyscheme.Scheme.Default(object)
	if err := create(v.Kind, object); err != nil {
		v.Errors = append(v.Errors, err.Error())
	}
	if meta, spec := podOf(object); spec != nil {
		for level, found := range map[api.Level]*[]string{api.LevelRestricted: &v.Restricted, api.LevelBaseline: &v.Baseline} {
			for _, result := range security.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec) {
				if !result.Allowed {
					*found = append(*found, result.ForbiddenReason+": "+result.ForbiddenDetail)
				}
			}
		}
	}
	return v
}

func run(in io.Reader, out io.Writer) error {
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	security, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(in))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if asJSON, err := utilyaml.ToJSON(text); err == nil && string(asJSON) == "null" {
			continue // comments alone
		}
		if err := json.NewEncoder(out).Encode(judge(text, decoder, security)); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}
