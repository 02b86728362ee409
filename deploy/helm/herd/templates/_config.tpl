{{/* The components' configurations: what the chart knows, and `config` of the values on top. */}}

{{/* The section `tls`, and how peers speak: (list . "agent"). */}}
{{- define "herd.tls.config" -}}
{{- $tls := (index . 0).Values.tls -}}
{{- $kind := index . 1 -}}
{{- $config := dict -}}
{{- if $tls.enabled -}}
{{- $own := dict "cert" (dict "path" "/etc/herd-tls/tls.crt") "key" (dict "path" "/etc/herd-tls/tls.key") -}}
{{- $clients := ternary "never" $tls.clientCertificates (eq $kind "proxy") -}}
{{- $_ := set $config "tls" (dict
  "name" $tls.serverName
  "cas" (list (dict "path" "/etc/herd-tls/ca.crt"))
  "server" (merge (dict "client_certificates" $clients) $own)
  "client" $own) -}}
{{- if and (has $kind (list "agent" "origin")) (ne $tls.peerTLS "off") -}}
{{- $_ := set $config "peer_tls" $tls.peerTLS -}}
{{- $_ := set $config "peer_id_factory" "addr_hash" -}}
{{- end -}}
{{- end -}}
{{- $config | toYaml -}}
{{- end -}}

{{- define "herd.agent.config" -}}
{{- $config := dict
  "data_dir" "/var/lib/herd"
  "tracker" (dict "hosts" (dict "dns" (include "herd.members" (list . "tracker" .Values.tracker.httpPort))))
  "build_index" (dict "hosts" (dict "dns" (include "herd.members" (list . "build-index" .Values.buildIndex.httpPort)))) -}}
{{- mergeOverwrite $config (include "herd.tls.config" (list . "agent") | fromYaml) (deepCopy .Values.agent.config) | toYaml -}}
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
{{- mergeOverwrite $config (include "herd.tls.config" (list . "origin") | fromYaml) (deepCopy .Values.origin.config) | toYaml -}}
{{- end -}}

{{- define "herd.tracker.config" -}}
{{- $config := dict "origin" (dict "hosts" (dict "static" (include "herd.origins" . | fromYamlArray))) -}}
{{- mergeOverwrite $config (include "herd.tls.config" (list . "tracker") | fromYaml) (deepCopy .Values.tracker.config) | toYaml -}}
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
{{- mergeOverwrite $config (include "herd.tls.config" (list . "build-index") | fromYaml) (deepCopy .Values.buildIndex.config) | toYaml -}}
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
{{- mergeOverwrite $config (include "herd.tls.config" (list . "proxy") | fromYaml) (deepCopy .Values.proxy.config) | toYaml -}}
{{- end -}}
