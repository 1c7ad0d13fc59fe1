{{/*
Names, labels and the spec. Everything takes the context of this chart, or of one that has it as a dependency: there our
values stand below .Subcharts. Both must come to the same names.
*/}}

{{/* At most 44 characters, so that suffixes fit into the 63 of a label */}}
{{- define "hf-init.fullname" -}}
{{- $own := get (.Subcharts | default dict) "hf-init" | default . -}}
{{- $release := contains "hf-init" .Release.Name | ternary .Release.Name (printf "%s-hf-init" .Release.Name) -}}
{{- $own.Values.fullnameOverride | default $release | trunc 44 | trimSuffix "-" -}}
{{- end }}

{{- define "hf-init.selectorLabels" -}}
app.kubernetes.io/name: hf-init
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hf-init.labels" -}}
{{ include "hf-init.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "hf-init.image" -}}
{{- $i := .Values.image -}}
{{- $suffix := $i.digest | empty | ternary (printf ":%s" ($i.tag | default .Chart.AppVersion)) (printf "@%s" $i.digest) -}}
{{- printf "%s/%s%s" $i.registry $i.repository $suffix -}}
{{- end }}

{{/* The spec with what the chart knows; what the values say themselves stays. Where the token and a CA are mounted
is left to the environment: pods that only wait for the volume read the same spec, and have neither. */}}
{{- define "hf-init.spec" -}}
{{- $v := .Values -}}
{{- $known := dict "apiVersion" "hf-init/v1" "target" $v.mountPath -}}
{{- if $v.mirror.enabled -}}
{{- $mirror := list (printf "http://%s-mirror.%s.svc:8080" (include "hf-init.fullname" .) .Release.Namespace) -}}
{{- $_ := set $known "endpoint" ($v.mirror.fallback | ternary (append $mirror "https://huggingface.co") $mirror) -}}
{{- end -}}
{{- $spec := mergeOverwrite $known (deepCopy $v.spec) -}}
{{- if not (hasPrefix (printf "%s/" (clean $v.mountPath)) (printf "%s/" (clean $spec.target))) -}}
{{- fail (printf "spec.target is %s, but the volume is at mountPath %s: leave target out" $spec.target $v.mountPath) -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end }}

{{/* Changes with the spec: for annotations, so that pods roll, and for the names of Jobs, which cannot change */}}
{{- define "hf-init.checksum" -}}
{{- get (.Subcharts | default dict) "hf-init" | default . | include "hf-init.spec" | sha256sum -}}
{{- end }}

{{- define "hf-init.claimName" -}}
{{- .Values.volume.existingClaim | default (include "hf-init.fullname" .) -}}
{{- end }}

{{/* What is the same in every pod of ours, below spec */}}
{{- define "hf-init.podSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- range $key := list "imagePullSecrets" "dnsConfig" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "serviceAccountName" }}
{{- with get $.Values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hf-init.podAnnotations" -}}
checksum/spec: {{ include "hf-init.checksum" . }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hf-init.podLabels" -}}
{{ include "hf-init.labels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
