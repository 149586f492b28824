// Command deploy decodes manifests of Kubernetes and Knative by the types of the API
// itself, where a misspelt or misplaced field is an error, and holds pods to the
// restricted profile of the pod security standards, and a bit more. It is a module of
// its own so that servestat does not depend on that API.
//
//	go -C .ci/deploy run . FILE...
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	bad := false
	for _, name := range os.Args[1:] {
		for _, problem := range check(name) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, problem)
			bad = true
		}
	}
	if bad {
		os.Exit(1)
	}
}

// check returns what is wrong with a file.
func check(name string) []error {
	file, err := os.Open(name)
	if err != nil {
		return []error{err}
	}
	defer file.Close()
	docs := yaml.NewYAMLReader(bufio.NewReader(file))
	var problems []error
	for n := 0; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) && n > 0 {
			return problems
		}
		if err != nil {
			return append(problems, err)
		}
		for _, err := range checkDocument(doc) {
			problems = append(problems, fmt.Errorf("document %d: %w", n+1, err))
		}
	}
}

// A service is Knative's, as far as the examples use it. What a revision may have of
// a pod is the pod's own.
type service struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Template struct {
			metav1.ObjectMeta `json:"metadata"`
			Spec              struct {
				corev1.PodSpec              `json:",inline"`
				ContainerConcurrency        *int64 `json:"containerConcurrency,omitempty"`
				TimeoutSeconds              *int64 `json:"timeoutSeconds,omitempty"`
				ResponseStartTimeoutSeconds *int64 `json:"responseStartTimeoutSeconds,omitempty"`
				IdleTimeoutSeconds          *int64 `json:"idleTimeoutSeconds,omitempty"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

func checkDocument(doc []byte) []error {
	var kind metav1.TypeMeta
	if err := strict.Unmarshal(doc, &kind); err != nil {
		return []error{err}
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 ServiceAccount":
		var account corev1.ServiceAccount
		return only(strict.UnmarshalStrict(doc, &account))
	case "batch/v1 CronJob":
		var job batchv1.CronJob
		if err := strict.UnmarshalStrict(doc, &job); err != nil {
			return []error{err}
		}
		return append(checkSchedule(&job), checkPod(&job.Spec.JobTemplate.Spec.Template.Spec)...)
	case "batch/v1 Job":
		var job batchv1.Job
		if err := strict.UnmarshalStrict(doc, &job); err != nil {
			return []error{err}
		}
		return append(checkIndexed(&job), checkPod(&job.Spec.Template.Spec)...)
	case "serving.knative.dev/v1 Service":
		var s service
		if err := strict.UnmarshalStrict(doc, &s); err != nil {
			return []error{err}
		}
		return checkPod(&s.Spec.Template.Spec.PodSpec)
	}
	return []error{fmt.Errorf("%s %s: this check does not know it", kind.APIVersion, kind.Kind)}
}

func only(err error) []error {
	if err == nil {
		return nil
	}
	return []error{err}
}

func checkSchedule(job *batchv1.CronJob) (problems []error) {
	if _, err := cron.ParseStandard(job.Spec.Schedule); err != nil {
		problems = append(problems, fmt.Errorf("schedule: %w", err))
	}
	if job.Spec.TimeZone == nil {
		return append(problems, errors.New("no timeZone: it would be the one of the control plane"))
	}
	_, err := time.LoadLocation(*job.Spec.TimeZone)
	return append(problems, only(err)...)
}

// checkIndexed holds a job to the rules that the API server has for indexes.
func checkIndexed(job *batchv1.Job) (problems []error) {
	spec := &job.Spec
	indexed := spec.CompletionMode != nil && *spec.CompletionMode == batchv1.IndexedCompletion
	if indexed && spec.Completions == nil {
		problems = append(problems, errors.New("an Indexed job wants completions"))
	}
	if !indexed && spec.BackoffLimitPerIndex != nil {
		problems = append(problems, errors.New("backoffLimitPerIndex wants completionMode: Indexed"))
	}
	if spec.MaxFailedIndexes != nil && (spec.BackoffLimitPerIndex == nil || *spec.MaxFailedIndexes > *spec.Completions) {
		problems = append(problems, errors.New("maxFailedIndexes wants backoffLimitPerIndex, and is at most completions"))
	}
	if spec.PodFailurePolicy != nil && spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		problems = append(problems, errors.New("podFailurePolicy wants restartPolicy: Never"))
	}
	return problems
}

func checkPod(pod *corev1.PodSpec) (problems []error) {
	if is(pod.AutomountServiceAccountToken) != "false" {
		problems = append(problems, errors.New("automountServiceAccountToken: want false"))
	}
	containers := slices.Concat(pod.InitContainers, pod.Containers)
	if len(pod.Containers) == 0 {
		problems = append(problems, errors.New("no containers"))
	}
	for i := range containers {
		for _, err := range checkContainer(pod, &containers[i]) {
			problems = append(problems, fmt.Errorf("container %d (%s): %w", i, containers[i].Name, err))
		}
	}
	return problems
}

func checkContainer(pod *corev1.PodSpec, c *corev1.Container) (problems []error) {
	s, outer := c.SecurityContext, pod.SecurityContext
	if s == nil {
		return []error{errors.New("no securityContext")}
	}
	if outer == nil {
		outer = &corev1.PodSecurityContext{}
	}
	seccomp := s.SeccompProfile
	if seccomp == nil {
		seccomp = outer.SeccompProfile
	}
	for _, want := range []struct {
		ok   bool
		what string
	}{
		{is(s.RunAsNonRoot) == "true" || s.RunAsNonRoot == nil && is(outer.RunAsNonRoot) == "true", "runAsNonRoot: want true"},
		{is(s.ReadOnlyRootFilesystem) == "true", "readOnlyRootFilesystem: want true"},
		{is(s.AllowPrivilegeEscalation) == "false", "allowPrivilegeEscalation: want false"},
		{s.Capabilities != nil && slices.Contains(s.Capabilities.Drop, "ALL") && len(s.Capabilities.Add) == 0, "capabilities: want all of them dropped"},
		{seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeRuntimeDefault, "seccompProfile: want RuntimeDefault"},
		{!c.Resources.Limits.Memory().IsZero(), "resources: want a limit on memory"},
		{c.Resources.Requests.Memory().Cmp(*c.Resources.Limits.Memory()) == 0, "resources: what is requested of memory is not its limit"},
		{slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/tmp" }), "nothing is mounted at /tmp, and the rest cannot be written to"},
	} {
		if !want.ok {
			problems = append(problems, errors.New(want.what))
		}
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			problems = append(problems, fmt.Errorf("there is no volume %q", m.Name))
		}
	}
	return problems
}

// is tells a field that is not there from one that is false.
func is(b *bool) string {
	if b == nil {
		return ""
	}
	return fmt.Sprint(*b)
}
