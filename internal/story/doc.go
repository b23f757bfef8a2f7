// SPDX-License-Identifier: Apache-2.0

// Package story runs golden scenarios: a text file of commands, each followed
// by what it is expected to print, in a testing/synctest bubble with a real
// grpc server and real clients over memory connections. Time in a bubble is
// exact, so the timelines are golden to the microsecond.
//
//	serve [timeout=D] [grace=D] [tls=wrapped|bare] [listeners=N] [handlers] [unserved] [close=D] [accept=D]
//	        [health|health=told] [reflection] [streams=N] [age=D] [peers=bufconn|IP]
//	        [lameduck=D] [flush=D] [cancelstreams=D] [endrecv]
//	        [hook=tagconn|connend|rpcend|limiter|realip|credentials]
//	        unserved: one more listener is watched and never served;
//	        handlers: Stop waits for them; close: how long a listener's Close
//	        takes; accept: how long its Accept stays after that; health: with
//	        the health service, told: with server.Health; cancelstreams,
//	        endrecv: with these options, the latter for chat and upload; streams: MaxConcurrentStreams; age:
//	        MaxConnectionAge; peers: where clients come from; hook: what else
//	        of the application's grpc runs, and where it may hang; lameduck:
//	        before grpc's stop; flush: how long the application's own takes
//	hang, release                            the hook does from now on, no more
//	call [hold=D] [times=N] [deadline=D] [ignore]      unary, by a healthy client
//	        client=A: behind a proxy, for A; stops=stop|gracefulstop|shutdown:
//	        its handler makes that call after D
//	stream watch|upload|chat|busy|health|reflection|once [messages=N]  left open,
//	        by a healthy client; busy: a chat that goes on; once: a watch that
//	        ends after one message
//	connect silent|halftls|nopreface|halfpreface|mute|linger|slowreader|unread|
//	        nomessage|plain [hold=D]
//	open NAME [hold=D]                       one more RPC of such a client
//	cancel NAME                              the RPCs that open has opened
//	vanish hold=D                            resets its connection
//	stop | gracefulstop | shutdown [in=D]    begins; the story goes on
//	gracefulstop|stop original               of grpc's own server, unannounced
//	close NAME                               ends a client by itself
//	collector-gone                           every later export fails
//	advance D                                lets time pass
//	wait                                     until the first stop has returned
//	serve-again                              Serve after the stop
//	report | json | spans | attributes NAME | log
//
// Clients are named by their kind and a number: call1, stream2, silent1.
package story
