{{/*
For other charts. With hf-init as a dependency (mode: none), a pod template of theirs says

    metadata:
      annotations:
        checksum/hf-init: {{ include "hf-init.checksum" . }}       # a new spec rolls the pods
    spec:
      initContainers: {{- include "hf-init.initContainer" . | nindent 8 }}
      containers:
        - name: server
          volumeMounts: {{- include "hf-init.volumeMount" . | nindent 12 }}
      volumes: {{- include "hf-init.volumes" . | nindent 8 }}

and has the models in mountPath, read-only. The pod needs an fsGroup where the volume is not writable for everyone.
*/}}

{{/* An entry of initContainers */}}
{{- define "hf-init.initContainer" -}}
{{- $own := get (.Subcharts | default dict) "hf-init" | default . -}}
- {{ include "hf-init.container" (list $own list) | nindent 2 | trim }}
  securityContext:
    {{- if eq $own.Values.mode "daemonset" }}
    runAsUser: 0
    {{- else }}
    runAsNonRoot: true
    {{- with $own.Values.podSecurityContext.runAsUser }}
    runAsUser: {{ . | int64 }}
    {{- end }}
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
    {{- include "hf-init.confined" $own | nindent 4 }}
{{- end }}

{{/* An entry of volumeMounts, for the container that uses the models */}}
{{- define "hf-init.volumeMount" -}}
{{- $own := get (.Subcharts | default dict) "hf-init" | default . -}}
- name: hf-init-models
  mountPath: {{ $own.Values.mountPath }}
  readOnly: true
{{- end }}

{{/* Entries of volumes: the models, and what hf-init reads */}}
{{- define "hf-init.volumes" -}}
{{- $own := get (.Subcharts | default dict) "hf-init" | default . -}}
{{- $v := $own.Values -}}
- name: hf-init-models
  {{- if eq $v.mode "daemonset" }}
  hostPath:
    path: {{ $v.volume.hostPath }}
    type: DirectoryOrCreate
  {{- else if or $v.volume.existingClaim (ne $v.mode "none") }}
  persistentVolumeClaim:
    claimName: {{ include "hf-init.claimName" $own }}
  {{- else }}
  emptyDir:
    {{- toYaml $v.volume.emptyDir | nindent 4 }}
  {{- end }}
- name: hf-init-spec
  configMap:
    name: {{ include "hf-init.fullname" $own }}
{{- with $v.auth.existingSecret }}
- name: hf-init-token
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ . }}
          optional: {{ $v.auth.optional }}
          items:
            - key: {{ $v.auth.key }}
              path: token
{{- end }}
{{- with $v.ca.configMap }}
- name: hf-init-ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}

{{/* Not for others: the container but for its securityContext. Takes: list CONTEXT ARGUMENTS */}}
{{- define "hf-init.container" -}}
{{- $own := index . 0 -}}
{{- $args := index . 1 -}}
{{- $v := $own.Values -}}
name: hf-init
image: {{ include "hf-init.image" $own }}
imagePullPolicy: {{ $v.image.pullPolicy }}
command: ["/hf-init"]
{{- with $args }}
args: {{ toJson . }}
{{- end }}
env:
  - name: NODE_NAME
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
  {{- if $v.auth.existingSecret }}
  - name: HF_INIT_TOKEN_FILE
    value: /var/run/secrets/hf-init/token
  - name: HF_INIT_TOKEN_OPTIONAL
    value: {{ $v.auth.optional | quote }}
  {{- end }}
  {{- if $v.ca.configMap }}
  - name: HF_INIT_TLS_CA_FILE
    value: /etc/ssl/hf-init/{{ $v.ca.key }}
  {{- end }}
  {{- if and (eq $v.mode "indexedJob") (not $args) }}
  - name: HF_INIT_SHARD_COUNT
    value: {{ $v.job.shards | quote }}
  {{- end }}
  {{- with $v.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml $v.resources | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: hf-init-models
    mountPath: {{ $v.mountPath }}
  - name: hf-init-spec
    mountPath: /etc/hf-init
    readOnly: true
  {{- if $v.auth.existingSecret }}
  - name: hf-init-token
    mountPath: /var/run/secrets/hf-init
    readOnly: true
  {{- end }}
  {{- if $v.ca.configMap }}
  - name: hf-init-ca
    mountPath: /etc/ssl/hf-init
    readOnly: true
  {{- end }}
{{- end }}

{{- define "hf-init.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
