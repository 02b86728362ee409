{{- define "herd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "herd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "herd.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "herd.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a component: (list . "origin"). */}}
{{- define "herd.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "herd.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "herd.labels" -}}
{{- $root := index . 0 -}}
{{ include "herd.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "herd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "herd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* host:port of every origin. The same list for all, since these names are the ring's labels. */}}
{{- define "herd.origins" -}}
{{- $name := printf "%s-origin" (include "herd.fullname" .) -}}
{{- range until (int .Values.origin.replicas) }}
- {{ printf "%s-%d.%s.%s.svc.%s:%d" $name . $name $.Release.Namespace $.Values.clusterDomain (int $.Values.origin.httpPort) }}
{{- end }}
{{- end -}}

{{/* NAME:PORT that stands for every ready pod of a component: (list . "tracker" port). */}}
{{- define "herd.members" -}}
{{- $root := index . 0 -}}
{{ printf "%s-%s.%s.svc.%s:%d" (include "herd.fullname" $root) (index . 1) $root.Release.Namespace $root.Values.clusterDomain (int (index . 2)) }}
{{- end -}}

{{/* What all components' pods have in common: (list . "origin" values-of-the-component). */}}
{{- define "herd.pod" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "herd.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- mergeOverwrite (deepCopy $root.Values.podSecurityContext) (default dict $values.podSecurityContext) | toYaml | nindent 2 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.affinity }}
affinity:
  {{- toYaml $values.affinity | nindent 2 }}
{{- else if ne (index . 1) "agent" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "herd.selector" . | nindent 14 }}
{{- end }}
{{- end -}}

{{/* What all components' containers have in common, probes at `port`: (list . "origin" values "http"). */}}
{{- define "herd.container" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
image: {{ printf "%s:%s" $root.Values.image.repository (default $root.Chart.AppVersion $root.Values.image.tag) | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml $root.Values.securityContext | nindent 2 }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
startupProbe:
  httpGet: {path: /health, port: {{ index . 3 }}, scheme: {{ include "herd.scheme" $root }}}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /health, port: {{ index . 3 }}, scheme: {{ include "herd.scheme" $root }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readiness, port: {{ index . 3 }}, scheme: {{ include "herd.scheme" $root }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{/* How a component's HTTP ports are asked: HTTPS or HTTP. */}}
{{- define "herd.scheme" -}}
{{- ternary "HTTPS" "HTTP" .Values.tls.enabled -}}
{{- end -}}

{{/* The secret with the certificate of a kind of component, by its key in the values: (list . "buildIndex"). */}}
{{- define "herd.tls.secret" -}}
{{- $tls := (index . 0).Values.tls -}}
{{- $own := get $tls.secretNames (index . 1) -}}
{{- required (printf "tls.secretName is empty, and so is tls.secretNames.%s: name the secret with tls.crt, tls.key and ca.crt" (index . 1)) (default $tls.secretName $own) -}}
{{- end -}}

{{/* The volume that `herd.mounts` mounts: (list . "buildIndex"). */}}
{{- define "herd.tls.volume" -}}
{{- if (index . 0).Values.tls.enabled -}}
- name: tls
  secret:
    secretName: {{ include "herd.tls.secret" . }}
    # For the group of the pod's fsGroup.
    defaultMode: 0440
{{- end -}}
{{- end -}}

{{- define "herd.mounts" -}}
- {name: config, mountPath: /etc/herd, readOnly: true}
- {name: data, mountPath: /var/lib/herd}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/herd-tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* The checksum that starts pods anew when their configuration changes: (list . "origin"). */}}
{{- define "herd.checksum" -}}
checksum/config: {{ include (printf "herd.%s.config" (index . 1)) (index . 0) | sha256sum }}
{{- end -}}
