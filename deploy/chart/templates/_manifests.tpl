{{/*
The chart reads the manifests of deploy/base and deploy/components themselves (files/ has them), and does with them what kustomize
does: so there is nothing here that could differ from them. What it cannot do it refuses.
*/}}

{{/* The objects of a kustomization, {"items": [...]}, in the namespace of the release. Takes: root, folder, and items to patch. */}}
{{- define "secnet.kustomization" -}}
{{- $root := .root -}}
{{- $items := .items | default list -}}
{{- $kustomization := include "secnet.file" (dict "root" $root "path" (printf "%s/kustomization.yaml" .folder)) | fromYaml -}}
{{- range $key, $_ := omit $kustomization "apiVersion" "kind" "namespace" "resources" "configMapGenerator" "patches" -}}
  {{- fail (printf "%s/kustomization.yaml: the chart does not understand %s" $.folder $key) -}}
{{- end -}}
{{- range $name := $kustomization.resources | default list -}}
  {{- $text := include "secnet.file" (dict "root" $root "path" (printf "%s/%s" $.folder $name)) -}}
  {{- range $document := regexSplit "(?m)^---[ \t]*$" $text -1 -}}
    {{- with fromYaml $document -}}{{- $items = append $items . -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- range $entry := $kustomization.configMapGenerator | default list -}}
  {{- $data := dict -}}
  {{- range $name := $entry.files -}}
    {{- $_ := set $data $name (include "secnet.file" (dict "root" $root "path" (printf "%s/%s" $.folder $name))) -}}
  {{- end -}}
  {{- $metadata := dict "name" $entry.name "namespace" $root.Release.Namespace -}}
  {{- $items = append $items (dict "apiVersion" "v1" "kind" "ConfigMap" "metadata" $metadata "data" $data) -}}
{{- end -}}
{{- range $entry := $kustomization.patches | default list -}}
  {{- if ne (keys $entry | join ",") "path" -}}
    {{- fail (printf "%s/kustomization.yaml: the chart understands patches with a path alone" $.folder) -}}
  {{- end -}}
  {{- $patch := include "secnet.file" (dict "root" $root "path" (printf "%s/%s" $.folder $entry.path)) | fromYaml -}}
  {{- $patched := list -}}
  {{- range $item := $items -}}
    {{- if and (eq $item.kind $patch.kind) (eq $item.metadata.name $patch.metadata.name) -}}
      {{- $item = include "secnet.merged" (dict "target" $item "patch" $patch "path" $entry.path) | fromYaml -}}
    {{- end -}}
    {{- $patched = append $patched $item -}}
  {{- end -}}
  {{- $items = $patched -}}
{{- end -}}
{{- dict "items" $items | toYaml -}}
{{- end -}}

{{/* A file of the manifests, with the namespace of the release in place of theirs. */}}
{{- define "secnet.file" -}}
{{- $text := .root.Files.Get (printf "files/%s" .path) -}}
{{- if not $text -}}{{- fail (printf "the chart has no files/%s" .path) -}}{{- end -}}
{{- $text | replace "secnet-system" .root.Release.Namespace -}}
{{- end -}}

{{/* A strategic merge: mappings by key; lists of a Pod by their merge keys, the patch's items first; other lists are replaced. */}}
{{- define "secnet.merged" -}}
{{- $by := dict "containers" "name" "initContainers" "name" "volumes" "name" "env" "name" "volumeMounts" "mountPath" "ports" "containerPort" -}}
{{- $replaced := list "add" "drop" "command" "args" "tolerations" -}}
{{- $result := deepCopy .target -}}
{{- range $key, $value := .patch -}}
  {{- $before := get $result $key -}}
  {{- if hasPrefix "$" $key -}}{{- fail (printf "%s: the chart does not understand %s" $.path $key) -}}{{- end -}}
  {{- if and (kindIs "map" $value) (kindIs "map" $before) -}}
    {{- $_ := set $result $key (include "secnet.merged" (dict "target" $before "patch" $value "path" $.path) | fromYaml) -}}
  {{- else if and (kindIs "slice" $value) (kindIs "slice" $before) (hasKey $by $key) -}}
    {{- $name := get $by $key -}}
    {{- $merged := list -}}
    {{- $named := list -}}
    {{- range $item := $value -}}
      {{- $named = append $named (get $item $name) -}}
      {{- $old := dict -}}
      {{- range $other := $before -}}{{- if eq (get $other $name) (get $item $name) -}}{{- $old = $other -}}{{- end -}}{{- end -}}
      {{- $merged = append $merged (include "secnet.merged" (dict "target" $old "patch" $item "path" $.path) | fromYaml) -}}
    {{- end -}}
    {{- range $other := $before -}}
      {{- if not (has (get $other $name) $named) -}}{{- $merged = append $merged $other -}}{{- end -}}
    {{- end -}}
    {{- $_ := set $result $key $merged -}}
  {{- else if and (kindIs "slice" $value) (kindIs "slice" $before) (not (has $key $replaced)) -}}
    {{- fail (printf "%s: the chart does not know how the list %s is merged" $.path $key) -}}
  {{- else -}}
    {{- $_ := set $result $key $value -}}
  {{- end -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}
