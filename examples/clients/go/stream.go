package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang/protobuf/proto"

	mesos "mesos/v1/master"
)

const (
	protobuf         = "application/x-protobuf"
	connectTimeout   = 5 * time.Second
	answerTimeout    = 30 * time.Second
	missedHeartbeats = 3
	maxDigits        = 20
	maxRecord        = 256 << 20
	maxRedirects     = 5
	maxHead          = 128 << 10
	maxMessage       = 4 << 10
)

// refusal is an answer that would come again.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// silence is how long the socket may say nothing; heartbeats set it.
type silence struct{ nanos int64 }

func (s *silence) set(d time.Duration) { atomic.StoreInt64(&s.nanos, int64(d)) }

// watched is a connection whose every read has the deadline of the moment.
type watched struct {
	net.Conn
	limit *silence
}

func (w watched) Read(p []byte) (int, error) {
	limit := time.Duration(atomic.LoadInt64(&w.limit.nanos))
	if err := w.Conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

// stream subscribes once and shows each event until something ends it; it says whether a stream had begun.
func stream(url string, show func(*mesos.Event) error) (bool, error) {
	limit := &silence{}
	limit.set(answerTimeout)
	dialer := &net.Dialer{Timeout: connectTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			return watched{conn, limit}, err
		},
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: maxHead,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
	defer transport.CloseIdleConnections()
	response, err := subscribe(&http.Client{Transport: transport, CheckRedirect: noRedirect}, url)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	return read(response.Body, limit, show)
}

// A redirect of a POST must keep its method and body, which the client would not do for 301 to 303.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func subscribe(client *http.Client, url string) (*http.Response, error) {
	body, err := proto.Marshal(&mesos.Call{Type: mesos.Call_SUBSCRIBE.Enum()})
	if err != nil {
		return nil, err
	}
	for hops := 0; ; hops++ {
		request, err := http.NewRequest("POST", url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", protobuf)
		request.Header.Set("Accept", protobuf)
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode == http.StatusOK {
			kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
			if kind == protobuf {
				return response, nil
			}
			response.Body.Close()
			return nil, fmt.Errorf("expected %s, the answer is %q", protobuf, kind)
		}
		next, err := judge(response, hops)
		response.Body.Close()
		if err != nil {
			return nil, err
		}
		url = next
	}
}

// judge says where a redirect leads, or why the answer is an error.
func judge(response *http.Response, hops int) (string, error) {
	switch response.StatusCode {
	case 301, 302, 303, 307, 308:
		next, err := response.Location()
		if err != nil {
			return "", fmt.Errorf("the master redirects to nowhere: %w", err)
		}
		if hops >= maxRedirects {
			return "", fmt.Errorf("gave up after %d redirects, the last one to %v", hops, next)
		}
		return next.String(), nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	message := fmt.Sprintf("the master answered %s: %s", response.Status, strings.TrimSpace(string(text)))
	switch response.StatusCode {
	case 404, 408, 425, 429, 500, 502, 503, 504:
		return "", errors.New(message)
	}
	return "", &refusal{message}
}

func read(body io.Reader, limit *silence, show func(*mesos.Event) error) (bool, error) {
	in := bufio.NewReaderSize(body, 64<<10)
	var record []byte
	for events := 0; ; events++ {
		length, err := readLength(in)
		if err != nil {
			return events > 0, err
		}
		if record, err = readRecord(in, record, length); err != nil {
			return events > 0, err
		}
		event := &mesos.Event{}
		if err := proto.Unmarshal(record, event); err != nil { // Checks the required fields too.
			return events > 0, fmt.Errorf("undecodable record of %d bytes: %w", length, err)
		}
		if events == 0 {
			if event.GetType() != mesos.Event_SUBSCRIBED {
				return false, fmt.Errorf("the stream begins with %v instead of SUBSCRIBED", event.GetType())
			}
			seconds := event.GetSubscribed().GetHeartbeatIntervalSeconds()
			if !(seconds > 0 && seconds <= 3600) {
				seconds = 15
			}
			limit.set(time.Duration(missedHeartbeats * seconds * float64(time.Second)))
		}
		if err := show(event); err != nil {
			return true, err
		}
	}
}

func readLength(in *bufio.Reader) (int, error) {
	digits := make([]byte, 0, maxDigits)
	for {
		b, err := in.ReadByte()
		switch {
		case err == io.EOF && len(digits) == 0:
			return 0, errors.New("the master closed the stream")
		case err != nil:
			return 0, fmt.Errorf("the stream was cut: %w", err)
		case b == '\n':
			length, err := strconv.ParseUint(string(digits), 10, 64)
			if err != nil || length > maxRecord {
				return 0, fmt.Errorf("bad length %q", digits)
			}
			return int(length), nil
		case b < '0' || b > '9':
			return 0, fmt.Errorf("bad length: %q is no digit", b)
		case len(digits) == maxDigits:
			return 0, fmt.Errorf("a length has more than %d digits", maxDigits)
		}
		digits = append(digits, b)
	}
}

// readRecord reads into the memory of the record before it. The memory grows as bytes come, not as the length promises.
func readRecord(in io.Reader, memory []byte, length int) ([]byte, error) {
	buffer := bytes.NewBuffer(memory[:0])
	got, err := io.CopyN(buffer, in, int64(length))
	if err != nil {
		return nil, fmt.Errorf("the stream was cut inside a record, %d bytes early: %w", int64(length)-got, err)
	}
	return buffer.Bytes(), nil
}
