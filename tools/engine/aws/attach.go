package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// maxMessage is what Pulumi's own plugins take (rpcutil.ServeWithOptions).
const maxMessage = 400 << 20

// plugin is one configured provider: a provider process behind Pulumi's calls.
type plugin struct {
	server pulumirpc.ResourceProviderServer
	stop   func()
}

// serveAttached serves the engines that attach (PULUMI_DEBUG_PROVIDERS=aws:PORT), each connection with a provider
// process of its own: an engine connects once for each provider resource, and configures each for itself. The port is
// printed at once, and the first process is started before anybody connects: that is what attaching is good for.
//
// It ends when the input has ended and the last connection is closed.
func serveAttached(start func() (plugin, error), input io.Reader, output io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(output, listener.Addr().(*net.TCPAddr).Port)
	first := startEarly(start)
	defer first.stopUnused()
	go func() {
		_, _ = io.Copy(io.Discard, input) // whatever ends it, nobody is there any more
		listener.Close()
	}()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		connection, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		connections.Go(func() {
			if err := serveConnection(first.take, connection); err != nil {
				fmt.Fprintln(os.Stderr, "pulumi-resource-aws:", err)
			}
		})
	}
}

func serveConnection(start func() (plugin, error), connection net.Conn) error {
	defer connection.Close()
	p, err := start()
	if err != nil {
		return err
	}
	defer p.stop()
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
	pulumirpc.RegisterResourceProviderServer(s, p.server)
	if err := s.Serve(newOneConnection(connection)); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// early is a plugin that is started before it is asked for.
type early struct {
	start   func() (plugin, error)
	mutex   sync.Mutex
	waiting chan func() (plugin, error) // nil once it was taken
}

func startEarly(start func() (plugin, error)) *early {
	e := &early{start: start, waiting: make(chan func() (plugin, error), 1)}
	go func(ready chan<- func() (plugin, error)) {
		p, err := start()
		ready <- func() (plugin, error) { return p, err }
	}(e.waiting)
	return e
}

// take gives the plugin that was started early, once, and then new ones.
func (e *early) take() (plugin, error) {
	e.mutex.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mutex.Unlock()
	if waiting == nil {
		return e.start()
	}
	return (<-waiting)()
}

func (e *early) stopUnused() {
	e.mutex.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mutex.Unlock()
	if waiting == nil {
		return
	}
	if p, err := (<-waiting)(); err == nil {
		p.stop()
	}
}

// oneConnection is a listener that has one connection to give, and ends with it.
type oneConnection struct {
	net.Conn
	given chan net.Conn
	ended chan struct{}
	end   func()
}

func newOneConnection(connection net.Conn) *oneConnection {
	l := &oneConnection{Conn: connection, given: make(chan net.Conn, 1), ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.ended) })
	l.given <- &endingConnection{Conn: connection, end: l.end}
	return l
}

func (l *oneConnection) Accept() (net.Conn, error) {
	select {
	case connection := <-l.given:
		return connection, nil
	default:
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *oneConnection) Close() error {
	l.end()
	return nil
}

func (l *oneConnection) Addr() net.Addr { return l.LocalAddr() }

type endingConnection struct {
	net.Conn
	end func()
}

func (c *endingConnection) Close() error {
	defer c.end()
	return c.Conn.Close()
}
