package bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

const (
	// markKey is the metadata by which a put knows its own object again.
	markKey = "servestat-put"
	// maxObject is what S3 takes in one request.
	maxObject = 5 << 30
	// attempts is how often a put is tried.
	attempts = 8
	// answerLimit is how long a store may think before it begins to answer.
	answerLimit = time.Minute
	// slowest is the rate, in bytes a second, below which a connection is given up.
	slowest = 64 << 10
	// silence is how long a body may say nothing.
	silence = time.Minute
)

// PutIfAbsent implements [lake.Store].
//
// Each attempt ends in one of three ways: the object was made; the store says that
// there is one; or nobody knows, because the answer was lost or is one that stores
// give in passing (conflict, slow down). Where an earlier attempt may have been the
// one that made the object, its mark tells.
func (b *Bucket) PutIfAbsent(ctx context.Context, name, file string) (created bool, err error) {
	mark, err := newMark()
	if err != nil {
		return false, err
	}
	unsure := false // an attempt may have made the object unknown to us
	for n := range attempts {
		if n > 0 {
			if waiting := b.pause(ctx, n); waiting != nil {
				return false, errors.Join(waiting, err)
			}
		}
		err = b.put(ctx, name, file, func(in *s3.PutObjectInput) {
			in.IfNoneMatch = aws.String("*")
			in.Metadata = map[string]string{markKey: mark}
		})
		switch judge(err) {
		case made:
			return true, nil
		case there:
			if !unsure {
				return false, nil
			}
			var mine bool
			if mine, err = b.bears(ctx, name, mark); err == nil {
				return mine, nil
			}
			if errors.Is(err, fs.ErrPermission) {
				return false, err
			}
		case lost:
			unsure = true
		case passing:
		case final:
			return false, b.explain("put", name, err)
		}
		if ctx.Err() != nil {
			return false, b.explain("put", name, err)
		}
	}
	return false, fmt.Errorf("after %d attempts: %w", attempts, b.explain("put", name, err))
}

// Put replaces an object: for what is not published but shown, such as a report.
func (b *Bucket) Put(ctx context.Context, name, file, contentType string) error {
	var err error
	for n := range attempts {
		if n > 0 {
			if waiting := b.pause(ctx, n); waiting != nil {
				return errors.Join(waiting, err)
			}
		}
		err = b.put(ctx, name, file, func(in *s3.PutObjectInput) { in.ContentType = aws.String(contentType) })
		if v := judge(err); v == made || v == final || ctx.Err() != nil {
			return b.explain("put", name, err)
		}
	}
	return fmt.Errorf("after %d attempts: %w", attempts, b.explain("put", name, err))
}

// put makes one attempt.
func (b *Bucket) put(ctx context.Context, name, file string, set func(*s3.PutObjectInput)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxObject {
		return fmt.Errorf("%s has %d bytes, and S3 takes no more than %d in one object's request: %w", file, info.Size(), int64(maxObject), errTooLarge)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*answerLimit+time.Duration(info.Size()/slowest)*time.Second)
	defer cancel()
	in := &s3.PutObjectInput{Bucket: &b.Bucket, Key: aws.String(b.key(name)), Body: f, ContentLength: aws.Int64(info.Size())}
	set(in)
	_, err = b.client.PutObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	return err
}

var errTooLarge = errors.New("too large")

// bears reports whether the object that is there is of the put with this mark.
func (b *Bucket) bears(ctx context.Context, name, mark string) (bool, error) {
	_, found, err := b.stat(ctx, name)
	return found == mark, err
}

func newMark() (string, error) {
	mark := make([]byte, 16)
	_, err := rand.Read(mark)
	return hex.EncodeToString(mark), err
}

// What an attempt to put comes to.
type outcome int

const (
	made    outcome = iota
	there           // there is an object of that name
	passing         // refused, and another attempt may not be
	lost            // nobody knows whether it was made
	final           // refused for good
)

func judge(err error) outcome {
	if err == nil {
		return made
	}
	status, _ := answer(err)
	var path *fs.PathError
	switch {
	case status == http.StatusPreconditionFailed:
		return there
	case status == http.StatusConflict, status == http.StatusTooManyRequests:
		return passing
	case status == http.StatusRequestTimeout, status >= 500 && status != http.StatusNotImplemented:
		return lost
	case status >= 400, errors.Is(err, errTooLarge), errors.As(err, &path), noCredentials(err):
		return final
	}
	return lost // the connection was cut, or it took too long
}

// answer returns the HTTP status and S3's code of an error, as far as there was an
// answer.
func answer(err error) (status int, code string) {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	return status, code
}

// pause waits before the nth attempt: a tenth of a second, doubled each time up to
// five seconds, and half of it left to chance so that racing writers fall out of
// step.
func pause(ctx context.Context, n int) error {
	wait := min(100*time.Millisecond<<(n-1), 5*time.Second)
	wait = wait/2 + mathrand.N(wait/2)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// A patient reader gives a body up that says nothing for too long.
type patient struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer
}

func newPatient(body io.ReadCloser, cancel context.CancelFunc) *patient {
	return &patient{body, cancel, time.AfterFunc(silence, cancel)}
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	p.timer.Reset(silence)
	return n, err
}

func (p *patient) Close() error {
	p.timer.Stop()
	err := p.body.Close()
	p.cancel()
	return err
}
