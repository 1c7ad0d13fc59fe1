// The oldest Kubernetes that the manifests are held against: only its description of the API is used.
module hf-init.test/oldest

go 1.24

require k8s.io/kubernetes v1.33.13
