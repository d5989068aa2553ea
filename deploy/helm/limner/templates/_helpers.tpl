{{- define "limner.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "limner.labels" -}}
app.kubernetes.io/name: limner
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "limner.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "limner.claim" -}}
{{ .Values.persistence.existingClaim | default (include "limner.name" .) }}
{{- end -}}

{{/* What every pod is held to. */}}
{{- define "limner.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "limner.container" -}}
image: {{ include "limner.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "limner.token" -}}
- name: RAY_AUTH_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.workers.secret }}
      key: token
{{- end -}}

{{/* Folders that are written in, beside the base directory. */}}
{{- define "limner.mounts" -}}
- name: scratch
  mountPath: /tmp
- name: cache
  mountPath: /var/cache/limner
- name: shared-memory
  mountPath: /dev/shm
- name: settings
  mountPath: /data/limner.toml
  subPath: limner.toml
  readOnly: true
{{- if .Values.models.existingClaim }}
- name: models
  mountPath: /data/models
{{- end }}
{{- end -}}

{{- define "limner.volumes" -}}
- name: scratch
  emptyDir: {}
- name: cache
  emptyDir: {}
- name: shared-memory
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.sharedMemory }}
- name: settings
  configMap:
    name: {{ include "limner.name" . }}
{{- if .Values.models.existingClaim }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.models.existingClaim }}
{{- end }}
{{- end -}}
