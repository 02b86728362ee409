{{/* The components' configurations: what the chart knows, and `config` of the values on top. */}}

{{- define "herd.agent.config" -}}
{{- $config := dict
  "data_dir" "/var/lib/herd"
  "tracker" (dict "hosts" (dict "dns" (include "herd.members" (list . "tracker" .Values.tracker.httpPort))))
  "build_index" (dict "hosts" (dict "dns" (include "herd.members" (list . "build-index" .Values.buildIndex.httpPort)))) -}}
{{- mergeOverwrite $config (deepCopy .Values.agent.config) | toYaml -}}
{{- end -}}

{{- define "herd.origin.config" -}}
{{- if not .Values.blobBackends -}}
{{- fail "blobBackends is empty: say where blobs are kept for good (docs/backends.md)" -}}
{{- end -}}
{{- $config := dict
  "data_dir" "/var/lib/herd"
  "cluster" (dict "static" (include "herd.origins" . | fromYamlArray))
  "hashring" (dict "max_replica" (min 3 (int .Values.origin.replicas)))
  "metainfogen" (dict "piece_lengths" (dict "0" "1MB" "512MB" "2MB" "2GB" "4MB" "4GB" "8MB"))
  "backends" .Values.blobBackends -}}
{{- mergeOverwrite $config (deepCopy .Values.origin.config) | toYaml -}}
{{- end -}}

{{- define "herd.tracker.config" -}}
{{- $config := dict "origin" (dict "hosts" (dict "static" (include "herd.origins" . | fromYamlArray))) -}}
{{- mergeOverwrite $config (deepCopy .Values.tracker.config) | toYaml -}}
{{- end -}}

{{- define "herd.build-index.config" -}}
{{- if not .Values.tagBackends -}}
{{- fail "tagBackends is empty: say where tags are kept for good (docs/backends.md)" -}}
{{- end -}}
{{- $config := dict
  "data_dir" "/var/lib/herd"
  "origin" (dict "hosts" (dict "static" (include "herd.origins" . | fromYamlArray)))
  "cluster" (dict "hosts" (dict "dns" (include "herd.members" (list . "build-index" .Values.buildIndex.httpPort))))
  "tag_types" (list (dict "namespace" ".*" "type" "docker"))
  "tag_store" (dict "write_through" true)
  "backends" .Values.tagBackends -}}
{{- mergeOverwrite $config (deepCopy .Values.buildIndex.config) | toYaml -}}
{{- end -}}

{{- define "herd.proxy.config" -}}
{{- if not .Values.proxy.access -}}
{{- fail "proxy.access is empty: say who may push (docs/operations.md, Who may push)" -}}
{{- end -}}
{{- $config := dict
  "access" .Values.proxy.access
  "data_dir" "/var/lib/herd"
  "origin" (dict "hosts" (dict "static" (include "herd.origins" . | fromYamlArray)))
  "build_index" (dict "hosts" (dict "dns" (include "herd.members" (list . "build-index" .Values.buildIndex.httpPort)))) -}}
{{- mergeOverwrite $config (deepCopy .Values.proxy.config) | toYaml -}}
{{- end -}}
