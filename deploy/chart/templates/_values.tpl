{{/* What the values change in the DaemonSet. Takes: root, daemonset, checksum (of all ConfigMaps). */}}
{{- define "secnet.daemonset" -}}
{{- $values := .root.Values -}}
{{- $template := .daemonset.spec.template -}}
{{- $pod := $template.spec -}}
{{- $container := index $pod.containers 0 -}}
{{- /* A change of the configuration rolls the agents, as the names of kustomize's ConfigMaps do. */ -}}
{{- $own := dict "checksum/config" .checksum -}}
{{- $_ := set $template.metadata "annotations" (merge $own $values.podAnnotations ($template.metadata.annotations | default dict)) -}}
{{- $_ := set $container "image" (include "secnet.image" .root) -}}
{{- with $values.image.pullPolicy -}}{{- $_ := set $container "imagePullPolicy" . -}}{{- end -}}
{{- with $values.imagePullSecrets -}}{{- $_ := set $pod "imagePullSecrets" . -}}{{- end -}}
{{- with $values.resources -}}{{- $_ := set $container "resources" . -}}{{- end -}}
{{- $_ := set $pod "nodeSelector" (merge (deepCopy $values.nodeSelector) $pod.nodeSelector) -}}
{{- $paths := deepCopy $values.hostPaths -}}
{{- range $volume := $pod.volumes -}}
  {{- if and (hasKey $paths $volume.name) (hasKey $volume "hostPath") -}}
    {{- $_ := set $volume.hostPath "path" (get $paths $volume.name) -}}
    {{- $_ := unset $paths $volume.name -}}
  {{- end -}}
{{- end -}}
{{- if $paths -}}
  {{- fail (printf "hostPaths: the DaemonSet mounts no directory of the node as %s" (keys $paths | sortAlpha | join ", ")) -}}
{{- end -}}
{{- toYaml .daemonset -}}
{{- end -}}

{{- define "secnet.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}
