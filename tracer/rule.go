// SPDX-License-Identifier: Apache-2.0

package tracer

// rule is a row of the tables in docs/verdict.md, which say who is blamed and
// for what. A test compares the two lists, another flips each rule and wants
// that to be noticed.
type rule string

// Rules of blame: who is the culprit of a phase.
const (
	ruleOpen         rule = "still holds"
	ruleLast         rule = "let go last"
	ruleInside       rule = "called from inside"
	ruleGap          rule = "nobody at the end"
	ruleAckUnread    rule = "ack not read"
	ruleAckLater     rule = "ack later"
	ruleLingerUnread rule = "linger not read"
	ruleLinger       rule = "longer linger"
	ruleUnexplained  rule = "unexplained"
	ruleUnknown      rule = "unknown connection"
	ruleBusiness     rule = "business first"
	ruleHook         rule = "user hook"
	ruleLongest      rule = "longest phase"
)

// Rules of state: what a handshake, a connection or an RPC was doing.
const (
	ruleCallback    rule = "callback"
	ruleTLS         rule = "tls"
	rulePreface     rule = "preface"
	ruleUnseen      rule = "frames not seen"
	ruleWriting     rule = "write blocked"
	ruleNotReading  rule = "reader blocked"
	ruleClosed      rule = "socket closed"
	ruleUnsent      rule = "goaway unsent"
	ruleLateGoAway  rule = "goaway late"
	ruleUnsentBytes rule = "bytes unsent"
	ruleIncomplete  rule = "message incomplete"
	ruleNoHandler   rule = "no handler"
	ruleSentLate    rule = "bytes unsent until late"
	ruleDraining    rule = "already draining"
	ruleDecoding    rule = "message not decoded"
	ruleHalfOpen    rule = "message not ended"
	ruleInSend      rule = "in Send"
	ruleInRecv      rule = "in Recv"
)

// is applies a rule: cond is whether it holds.
func (tl *timeline) is(r rule, cond bool) bool { return cond != (r == tl.flipped) }
