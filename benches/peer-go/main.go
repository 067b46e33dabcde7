// Renders the manifest of nightly-report with text/template and parses it with yaml.v3, as a chart renderer does, and
// prints how often a second one core does it.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"text/template"
	"time"

	"gopkg.in/yaml.v3"
)

//go:embed nightly-report.tmpl
var source string

func main() {
	runtime.GOMAXPROCS(1)
	parsed := template.Must(template.New("nightly-report").Option("missingkey=error").Parse(source))
	values := map[string]any{
		"params": map[string]any{
			"day": "2026-02-28", "format": "csv", "copies": 3, "dry_run": false,
			"to": []string{"ada@example.org", "grace@example.org"},
		},
		"settings": map[string]any{"worker_image": "localhost/jobwright-worker:latest"},
		"job":      map[string]any{"id": "example", "name": "Example"},
		"callback": map[string]any{"url": "http://127.0.0.1:8080/callback/TOKEN"},
	}
	var text bytes.Buffer
	renders := 0
	begin := time.Now()
	for time.Since(begin) < 2*time.Second {
		text.Reset()
		if err := parsed.Execute(&text, values); err != nil {
			fail(err)
		}
		var manifest map[string]any
		if err := yaml.Unmarshal(text.Bytes(), &manifest); err != nil {
			fail(err)
		}
		if manifest["kind"] != "Job" {
			fail(fmt.Errorf("no job: %v", manifest))
		}
		renders++
	}
	fmt.Printf("%.0f\n", float64(renders)/time.Since(begin).Seconds())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
