// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// userUnary and userStream are interceptors of a user's.
func userUnary(r *record, name string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		r.addf("interceptor", "%s %s %T %T", name, info.FullMethod, info.Server, req)
		res, err := h(ctx, req)
		r.addf("interceptor", "%s returns %T %v", name, res, err)
		return res, err
	}
}

func userStream(r *record, name string) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		r.addf("interceptor", "%s %s %t %t %T", name, info.FullMethod,
			info.IsClientStream, info.IsServerStream, srv)
		err := h(srv, ss)
		r.addf("interceptor", "%s returns %v", name, err)
		return err
	}
}

// recovering turns a handler's panic into a status.
func recovering(r *record) []grpc.ServerOption {
	rescue := func(err *error) {
		if v := recover(); v != nil {
			r.addf("interceptor", "recovered %v", v)
			*err = status.Errorf(codes.Internal, "panic: %v", v)
		}
	}
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo,
			h grpc.UnaryHandler,
		) (res any, err error) {
			defer rescue(&err)
			return h(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo,
			h grpc.StreamHandler,
		) (err error) {
			defer rescue(&err)
			return h(srv, ss)
		}),
	}
}

// optionCases are about what a user installs in a server.
var optionCases = []sameCase{
	{name: "interceptors", do: both("hello"), server: func(r *record) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(userUnary(r, "b"), userUnary(r, "c")),
			grpc.UnaryInterceptor(userUnary(r, "a")),
			grpc.ChainStreamInterceptor(userStream(r, "b"), userStream(r, "c")),
			grpc.StreamInterceptor(userStream(r, "a")),
			grpc.ChainUnaryInterceptor(userUnary(r, "d")),
		}
	}},
	{name: "an interceptor that refuses", do: both("hello"), server: func(*record) []grpc.ServerOption {
		no := status.Error(codes.PermissionDenied, "no")
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo,
				grpc.UnaryHandler,
			) (any, error) {
				return nil, no
			}),
			grpc.ChainStreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo,
				grpc.StreamHandler,
			) error {
				return no
			}),
		}
	}},
	{name: "panics that are recovered", do: both("panic now"), server: recovering},
	{name: "stats.Handler", do: both("hello"), server: traffic},
	{name: "tap handle", server: func(r *record) []grpc.ServerOption {
		return []grpc.ServerOption{grpc.InTapHandle(
			func(ctx context.Context, info *tap.Info) (context.Context, error) {
				r.addf("tap", "%s", info.FullMethodName)
				if info.FullMethodName == greeterv1.Greeter_Chat_FullMethodName {
					return nil, status.Error(codes.ResourceExhausted, "no chat")
				}
				return ctx, nil
			})}
	}, do: both("hello")},
	{name: "UnknownServiceHandler", server: func(r *record) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.StreamInterceptor(userStream(r, "a")),
			grpc.UnknownServiceHandler(func(srv any, ss grpc.ServerStream) error {
				method, _ := grpc.MethodFromServerStream(ss)
				r.addf("handler", "%s %v", method, srv)
				req := &greeterv1.ChatRequest{}
				if err := ss.RecvMsg(req); err != nil {
					return err
				}
				return ss.SendMsg(&greeterv1.ChatResponse{Text: "unknown " + req.GetText()})
			}),
		}
	}, do: func(ctx context.Context, r *record, _ greeterv1.GreeterClient) {
		res := &greeterv1.ChatResponse{}
		err := r.cc.Invoke(ctx, "/x.Y/Z", &greeterv1.ChatRequest{Text: "hi"}, res)
		r.outcome(res.GetText(), err, nil, nil)
	}},
	{name: "services", do: func(ctx context.Context, r *record, _ greeterv1.GreeterClient) {
		info := r.srv.GetServiceInfo()
		for _, name := range slices.Sorted(maps.Keys(info)) {
			slices.SortFunc(info[name].Methods, func(a, b grpc.MethodInfo) int {
				return slices.Compare([]byte(a.Name), []byte(b.Name))
			})
			r.addf("info", "%s %+v", name, info[name])
		}
		health, err := healthpb.NewHealthClient(r.cc).Check(ctx, &healthpb.HealthCheckRequest{})
		r.outcome(health.GetStatus(), err, nil, nil)
		s, err := reflectionpb.NewServerReflectionClient(r.cc).ServerReflectionInfo(ctx)
		if err != nil {
			r.outcome("reflection", err, nil, nil)
			return
		}
		for _, req := range []*reflectionpb.ServerReflectionRequest{
			{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}},
			{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
				FileContainingSymbol: "greeter.v1.Greeter",
			}},
		} {
			_ = s.Send(req)
			res, err := s.Recv()
			var names []string
			for _, svc := range res.GetListServicesResponse().GetService() {
				names = append(names, svc.GetName())
			}
			files := len(res.GetFileDescriptorResponse().GetFileDescriptorProto())
			r.outcome(fmt.Sprintf("reflection %v, %d files", names, files), err, nil, nil)
		}
		_ = s.CloseSend()
		_, err = s.Recv()
		r.addf("client", "reflection ends: %v", err)
	}},
}
