// Package buckettest starts a real S3 server for tests: versitygw, which keeps
// buckets as folders.
package buckettest

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas/lake/bucket"
)

// Name is the bucket that a [Server] has.
const Name = "lab"

// A Server is a running S3 server with one empty bucket. Processes that the test
// starts find its credentials in their environment.
type Server struct {
	Endpoint string
	Root     string // folder of the bucket's objects

	process *os.Process
}

// Confine keeps the server to the first cores of the machine, by taskset (Linux).
func (s *Server) Confine(t testing.TB, cores int) {
	t.Helper()
	out, err := exec.Command("taskset", "--all-tasks", "--pid", "--cpu-list", fmt.Sprintf("0-%d", cores-1), strconv.Itoa(s.process.Pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("taskset: %v: %s", err, out)
	}
}

// CPU is the processor time that the server has taken so far; 0 where the system does
// not say it.
func (s *Server) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] { // user's and system's, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// versitygw builds the server, which takes minutes the first time, and finds it
// afterwards.
var versitygw = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "tool", "-modfile", filepath.Join(root, ".ci", "versitygw.mod"), "-n", "versitygw")
	cmd.Dir = root
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("versitygw could not be built: %w\n%s", err, &talk)
	}
	return strings.TrimSpace(out.String()), nil
})

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
		dir = parent
	}
}

// environment is what processes need to reach a server, and nothing of the machine's.
var environment = map[string]string{
	"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret-of-the-test", "AWS_REGION": "us-east-1",
	"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	"AWS_ENDPOINT_URL": "", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
}

// Environment names the variables that [Start] sets.
func Environment() []string { return slices.Sorted(maps.Keys(environment)) }

// Start starts a server that ends with the test. Where it cannot be built the test is
// skipped, and fails in CI.
func Start(t testing.TB) *Server {
	t.Helper()
	exe, err := versitygw()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	s := &Server{Root: filepath.Join(root, Name)}
	if err := os.Mkdir(s.Root, 0o777); err != nil {
		t.Fatal(err)
	}
	for key, value := range environment {
		t.Setenv(key, value)
	}
	addr, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "--port", addr, "--access", "tester", "--secret", "secret-of-the-test", "--quiet", "--keep-alive", "posix", root)
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	s.Endpoint = "http://" + addr
	for range 600 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("versitygw ended: %v\n%s", err, &talk)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("versitygw does not answer\n%s", &talk)
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// URI is the URI of a prefix of the bucket.
func (s *Server) URI(prefix string) string {
	return s.Location(prefix).URI()
}

// Location is the location of a prefix of the bucket.
func (s *Server) Location(prefix string) bucket.Location {
	return bucket.Location{Bucket: Name, Prefix: prefix, Endpoint: s.Endpoint}
}
