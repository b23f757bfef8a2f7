// SPDX-License-Identifier: Apache-2.0

package server

import (
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestMove: a message that was moved is the one that a copy would be, whatever
// was there before.
func TestMove(t *testing.T) {
	value, err := structpb.NewValue(map[string]any{
		"list": []any{1.5, "two", nil, true}, "struct": map[string]any{"a": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := protodesc.ToFileDescriptorProto(greeterv1.File_greeter_v1_greeter_proto)
	file.Options = &descriptorpb.FileOptions{}
	file.Options.ProtoReflect().SetUnknown([]byte{0xc2, 0xb8, 0x02, 0x01, 'x'})
	unknown := &greeterv1.ChatRequest{Text: "hello"}
	unknown.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 0x07})
	dynamic := dynamicpb.NewMessage(file.ProtoReflect().Descriptor())
	proto.Merge(dynamic, file)
	for name, src := range map[string]proto.Message{
		"empty": &greeterv1.ChatRequest{}, "unknown fields": unknown,
		"lists, messages, enums": file, "maps and a oneof": value, "dynamic": dynamic,
	} {
		t.Run(name, func(t *testing.T) {
			want := proto.Clone(src)
			dst := src.ProtoReflect().New().Interface()
			proto.Merge(dst, src)
			proto.Merge(dst, src) // lists that are twice as long
			move(dst.ProtoReflect(), proto.Clone(src).ProtoReflect())
			if !proto.Equal(want, dst) {
				t.Errorf("want\n%v\ngot\n%v", want, dst)
			}
		})
	}
}

// exits is a stream whose Recv ends its goroutine, as t.FailNow does.
type exits struct{ grpc.ServerStream }

func (exits) RecvMsg(any) error {
	runtime.Goexit()
	return nil
}

// TestGoexit: a Goexit below a Recv is the handler's.
func TestGoexit(t *testing.T) {
	r := newReceiver(exits{})
	defer r.close()
	for range 2 {
		returned := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = r.recvMsg(&greeterv1.ChatRequest{})
			returned = true
		}()
		if <-done; returned {
			t.Error("the handler's goroutine goes on")
		}
	}
}
