// Prints the fields of KubeletConfiguration and KubeProxyConfiguration as JSON, read from the Go types
// that this module is built with. generate.sh runs it once for each Kubernetes minor.
//
// A struct becomes an object of its fields, a map {"*": values}, a list [items], anything else the name of
// what JSON may hold there: bool, int32 (and Go's other integers), number, string, duration, integer-or-duration, quantity, time.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	logsapi "k8s.io/component-base/logs/api/v1"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
)

// Types that read JSON in their own way.
var special = map[reflect.Type]string{
	reflect.TypeFor[metav1.Duration]():            "duration",
	reflect.TypeFor[metav1.Time]():                "time",
	reflect.TypeFor[logsapi.TimeOrMetaDuration](): "integer-or-duration",
	reflect.TypeFor[resource.Quantity]():          "quantity",
	reflect.TypeFor[resource.QuantityValue]():     "quantity",
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(map[string]any{
		"KubeletConfiguration":   shape(reflect.TypeFor[kubelet.KubeletConfiguration]()),
		"KubeProxyConfiguration": shape(reflect.TypeFor[kubeproxy.KubeProxyConfiguration]()),
	}); err != nil {
		fail("%v", err)
	}
}

func shape(t reflect.Type) any {
	if name, ok := special[t]; ok {
		return name
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		fail("%v reads JSON in its own way: say in main.go what it may hold", t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem())
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return t.Kind().String()
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice:
		return []any{shape(t.Elem())}
	case reflect.Map:
		return map[string]any{"*": shape(t.Elem())}
	case reflect.Struct:
		fields := map[string]any{}
		addFields(fields, t)
		return fields
	}
	fail("%v is of a kind that main.go does not know", t)
	return nil
}

func addFields(fields map[string]any, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && field.Anonymous:
			addFields(fields, field.Type)
		case name == "":
			fail("%v.%s has no JSON name", t, field.Name)
		default:
			fields[name] = shape(field.Type)
		}
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
