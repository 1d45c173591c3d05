// A framework on the v1 packages of mesos-go: scheduler and executor over HTTP, then every reading call of the operator
// APIs through its own types. Prints a line for each step that came out as it must:
//
//	v1 -master 127.0.0.1:5050 -codec json -tasks 50
//
// As an executor it is started by the agent with the word "executor".
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/agent"
	agentcalls "github.com/mesos/mesos-go/api/v1/lib/agent/calls"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	execcalls "github.com/mesos/mesos-go/api/v1/lib/executor/calls"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/eventrules"
	"github.com/mesos/mesos-go/api/v1/lib/extras/store"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpagent"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpexec"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpmaster"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	mastercalls "github.com/mesos/mesos-go/api/v1/lib/master/calls"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	schedulerevents "github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

const executorID = "go-v1"

var (
	address   = flag.String("master", "127.0.0.1:5050", "where the master is")
	codecName = flag.String("codec", "protobuf", "protobuf or json")
	tasks     = flag.Int("tasks", 50, "how many tasks end by themselves")
	limit     = flag.Duration("limit", 2*time.Minute, "how long all of it may take")
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "executor" {
		runExecutor()
		return
	}
	flag.Parse()
	time.AfterFunc(*limit, func() {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		fail("not done after %v", *limit)
	})
	runScheduler()
}

func say(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

func fail(format string, values ...interface{}) {
	say("FAILED: "+format, values...)
	os.Exit(1)
}

func must(what string, err error) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func codec(name string) encoding.Codec {
	if name == codecs.NameJSON {
		return codecs.ByMediaType[codecs.MediaTypeJSON]
	}
	return codecs.ByMediaType[codecs.MediaTypeProtobuf]
}

func client(url string, name string) *httpcli.Client {
	return httpcli.New(httpcli.Endpoint(url), httpcli.Codec(codec(name)))
}

// The executor: a task whose id begins with "stay" runs until it is killed, any other ends at once. Messages come back
// in capitals.

func runExecutor() {
	settings, err := config.FromEnv()
	must("the environment", err)
	sender := httpexec.NewSender(client("http://"+settings.AgentEndpoint+"/api/v1/executor", codecs.NameProtobuf).Send)
	sender = execcalls.SenderWith(sender, execcalls.Framework(settings.FrameworkID), execcalls.Executor(settings.ExecutorID))
	ctx := context.Background()
	response, err := sender.Send(ctx, execcalls.NonStreaming(execcalls.Subscribe(nil, nil)))
	must("the subscription", err)
	number := byte(0)
	report := func(task mesos.TaskID, state mesos.TaskState) {
		source := mesos.SOURCE_EXECUTOR
		number++
		uuid := append(make([]byte, 15), number)
		copy(uuid, task.Value)
		uuid[6] = uuid[6]&0x0f | 0x40
		uuid[8] = uuid[8]&0x3f | 0x80
		status := mesos.TaskStatus{
			TaskID:     task,
			State:      &state,
			Source:     &source,
			ExecutorID: &mesos.ExecutorID{Value: settings.ExecutorID},
			UUID:       uuid,
		}
		must("an update", execcalls.SendNoData(ctx, sender, execcalls.NonStreaming(execcalls.Update(status))))
	}
	for {
		var event executor.Event
		if err := response.Decode(&event); err != nil {
			fail("the stream ended: %v", err)
		}
		switch event.GetType() {
		case executor.Event_SUBSCRIBED:
			say("subscribed")
		case executor.Event_LAUNCH:
			task := event.GetLaunch().GetTask()
			report(task.TaskID, mesos.TASK_RUNNING)
			if !strings.HasPrefix(task.TaskID.Value, "stay") {
				report(task.TaskID, mesos.TASK_FINISHED)
			}
		case executor.Event_KILL:
			report(event.GetKill().TaskID, mesos.TASK_KILLED)
		case executor.Event_MESSAGE:
			answer := strings.ToUpper(string(event.GetMessage().Data))
			must("a message", execcalls.SendNoData(ctx, sender, execcalls.NonStreaming(execcalls.Message([]byte(answer)))))
		case executor.Event_SHUTDOWN:
			return
		case executor.Event_ERROR:
			fail("the agent says: %s", event.GetError().Message)
		}
	}
}

// The scheduler: the controller of mesos-go subscribes and acknowledges, the steps wait for events one after another.

type framework struct {
	caller calls.Caller
	events chan scheduler.Event
	stop   context.CancelFunc
	ended  chan error
	ids    store.Singleton
}

func (f *framework) start(id string) {
	f.ids = store.NewInMemorySingleton()
	if id != "" {
		must("the id", f.ids.Set(id))
	}
	timeout := float64(60)
	checkpoint := true
	info := &mesos.FrameworkInfo{User: "root", Name: "go v1", FailoverTimeout: &timeout, Checkpoint: &checkpoint,
		Roles:        []string{"go"},
		Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}},
	}
	events := make(chan scheduler.Event, 10000)
	f.events = events
	caller := httpsched.NewCaller(client("http://"+*address+"/api/v1/scheduler", *codecName))
	stored := store.GetIgnoreErrors(f.ids)
	f.caller = calls.CallerFunc(func(ctx context.Context, call *scheduler.Call) (mesos.Response, error) {
		if call.Type != scheduler.Call_SUBSCRIBE {
			call = call.With(calls.Framework(stored()))
		}
		return caller.Call(ctx, call)
	})
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ended = stop, make(chan error, 1)
	receive := schedulerevents.HandlerFunc(func(_ context.Context, e *scheduler.Event) error {
		events <- *e
		return nil
	})
	handler := eventrules.New(
		controller.LiftErrors().DropOnError(),
		controller.TrackSubscription(f.ids, time.Minute),
		controller.AckStatusUpdates(f.caller),
		eventrules.Handle(receive),
	)
	go func() {
		f.ended <- controller.Run(ctx, info, f.caller,
			controller.WithEventHandler(handler),
			controller.WithFrameworkID(stored),
			controller.WithSubscriptionTerminated(func(err error) {
				switch {
				case err != nil && err.Error() == "Framework failed over":
					stop() // Else it would take the framework back.
				case err != nil && ctx.Err() == nil:
					fail("the subscription ended: %v", err)
				}
			}))
	}()
}

func (f *framework) call(call *scheduler.Call) {
	must(call.Type.String(), calls.CallNoData(context.Background(), f.caller, call))
}

// Takes events until one fits; offers that come meanwhile are declined for a moment.
func (f *framework) await(what string, fits func(scheduler.Event) bool) scheduler.Event {
	for e := range f.events {
		if fits(e) {
			return e
		}
		log.Printf("waiting for %s: %v", what, e.String())
		if e.GetType() == scheduler.Event_OFFERS {
			for _, offer := range e.GetOffers().GetOffers() {
				f.call(calls.Decline(offer.ID).With(calls.RefuseSeconds(100 * time.Millisecond)))
			}
		}
	}
	return scheduler.Event{}
}

func (f *framework) state(task string, state mesos.TaskState) *mesos.TaskStatus {
	e := f.await(state.String()+" of "+task, func(e scheduler.Event) bool {
		if e.GetType() != scheduler.Event_UPDATE {
			return false
		}
		status := e.GetUpdate().GetStatus()
		if status.TaskID.Value == task && status.GetState() != state && ended(status.GetState()) {
			fail("%s is %s: %s", task, status.GetState(), status.GetMessage())
		}
		return status.TaskID.Value == task && status.GetState() == state
	})
	status := e.GetUpdate().GetStatus()
	return &status
}

// Whether a task in this state cannot come to another.
func ended(state mesos.TaskState) bool {
	switch state {
	case mesos.TASK_STAGING, mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_KILLING:
		return false
	}
	return true
}

func amount(cpus, mem float64) []mesos.Resource {
	list := []mesos.Resource{resources.NewCPUs(cpus).Resource, resources.NewMemory(mem).Resource}
	for i := range list {
		list[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: text("go")}
	}
	return list
}

func text(value string) *string { return &value }

func (f *framework) offer() mesos.Offer {
	e := f.await("an offer", func(e scheduler.Event) bool {
		return e.GetType() == scheduler.Event_OFFERS && ample(e.GetOffers().GetOffers()[0].Resources)
	})
	offers := e.GetOffers().GetOffers()
	for _, other := range offers[1:] {
		f.call(calls.Decline(other.ID).With(calls.RefuseSeconds(100 * time.Millisecond)))
	}
	return offers[0]
}

// Whether there is room for what is launched here; what a single task gave back is offered too.
func ample(list []mesos.Resource) bool {
	cpus, _ := resources.CPUs(list...)
	mem, _ := resources.Memory(list...)
	return cpus > 0.7 && mem > 200
}

func (f *framework) launch(names ...string) mesos.Offer {
	offer := f.offer()
	self, err := filepath.Abs(os.Args[0])
	must("the path", err)
	command := "exec " + self + " executor"
	var infos []mesos.TaskInfo
	for _, name := range names {
		infos = append(infos, mesos.TaskInfo{
			Name:      name,
			TaskID:    mesos.TaskID{Value: name},
			AgentID:   offer.AgentID,
			Resources: amount(0.01, 1),
			Executor: &mesos.ExecutorInfo{
				Type:       mesos.ExecutorInfo_CUSTOM,
				ExecutorID: mesos.ExecutorID{Value: executorID},
				Command:    &mesos.CommandInfo{Value: &command},
				Resources:  amount(0.1, 32),
			},
		})
	}
	operations := calls.OfferOperations{calls.OpLaunch(infos...)}
	f.call(calls.Accept(operations.WithOffers(offer.ID)).With(calls.RefuseSeconds(0)))
	return offer
}

func runScheduler() {
	f := &framework{}
	f.start("")
	subscribed := f.await("the subscription", func(e scheduler.Event) bool { return e.GetType() == scheduler.Event_SUBSCRIBED })
	id := subscribed.GetSubscribed().GetFrameworkID().GetValue()
	say("subscribed")

	var names []string
	for i := 0; i < *tasks; i++ {
		names = append(names, fmt.Sprintf("%03d-short", i))
	}
	f.launch(names...)
	for finished := 0; finished < *tasks; {
		e := f.await("the end of tasks", func(e scheduler.Event) bool { return e.GetType() == scheduler.Event_UPDATE })
		status := e.GetUpdate().GetStatus()
		switch status.GetState() {
		case mesos.TASK_FINISHED:
			finished++
		case mesos.TASK_STARTING, mesos.TASK_RUNNING:
		default:
			fail("%s is %s: %s", status.TaskID.Value, status.GetState(), status.GetMessage())
		}
	}
	say("finished %d tasks", *tasks)

	offer := f.launch("stay-1", "stay-2")
	f.state("stay-1", mesos.TASK_RUNNING)
	f.state("stay-2", mesos.TASK_RUNNING)
	say("two stay")

	f.call(calls.Message(offer.AgentID.Value, executorID, []byte("hello")))
	f.await("the answer", func(e scheduler.Event) bool {
		return e.GetType() == scheduler.Event_MESSAGE && string(e.GetMessage().GetData()) == "HELLO"
	})
	say("messages both ways")

	f.call(calls.Reconcile(calls.ReconcileTasks(nil)))
	f.state("stay-1", mesos.TASK_RUNNING)
	f.call(calls.Reconcile(calls.ReconcileTasks(map[string]string{"never": ""})))
	f.state("never", mesos.TASK_LOST)
	say("reconciled")

	f.group()
	say("a group ran")

	f.call(calls.Kill("stay-1", offer.AgentID.Value))
	f.state("stay-1", mesos.TASK_KILLED)
	say("killed")

	// A second scheduler takes the framework over; the task goes on under it.
	f.start(id)
	again := f.await("the subscription after the failover", func(e scheduler.Event) bool { return e.GetType() == scheduler.Event_SUBSCRIBED })
	if now := again.GetSubscribed().GetFrameworkID().GetValue(); now != id {
		fail("another id after the failover: %s, not %s", now, id)
	}
	f.call(calls.Reconcile(calls.ReconcileTasks(nil)))
	f.state("stay-2", mesos.TASK_RUNNING)
	say("failed over")

	askMaster()
	askAgent(offer)

	f.call(calls.Suppress())
	f.call(calls.Revive())
	f.offer()
	say("revived")

	f.call(calls.Shutdown(executorID, offer.AgentID.Value))
	f.await("the end of the executor", func(e scheduler.Event) bool {
		return e.GetType() == scheduler.Event_FAILURE && e.GetFailure().GetExecutorID().GetValue() == executorID
	})
	say("shut down")

	f.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	f.stop()
	say("done")
}

// Two tasks under the default executor, together.
func (f *framework) group() {
	offer := f.offer()
	info := mesos.ExecutorInfo{
		Type:        mesos.ExecutorInfo_DEFAULT,
		ExecutorID:  mesos.ExecutorID{Value: "go-group"},
		FrameworkID: &mesos.FrameworkID{Value: store.GetIgnoreErrors(f.ids)()},
		Resources:   append(amount(0.1, 32), disk(32)),
	}
	task := func(name, command string) mesos.TaskInfo {
		return mesos.TaskInfo{Name: name, TaskID: mesos.TaskID{Value: name}, AgentID: offer.AgentID,
			Resources: amount(0.1, 32), Command: &mesos.CommandInfo{Value: &command}}
	}
	operations := calls.OfferOperations{calls.OpLaunchGroup(info, task("group-1", "true"), task("group-2", "sleep 1"))}
	f.call(calls.Accept(operations.WithOffers(offer.ID)).With(calls.RefuseSeconds(0)))
	ended := map[string]bool{}
	for len(ended) < 2 {
		e := f.await("the end of the group", func(e scheduler.Event) bool {
			return e.GetType() == scheduler.Event_UPDATE && strings.HasPrefix(e.GetUpdate().Status.TaskID.Value, "group-")
		})
		status := e.GetUpdate().GetStatus()
		switch status.GetState() {
		case mesos.TASK_FINISHED:
			ended[status.TaskID.Value] = true
		case mesos.TASK_STARTING, mesos.TASK_RUNNING:
		default:
			fail("%s is %s: %s", status.TaskID.Value, status.GetState(), status.GetMessage())
		}
	}
}

func disk(amount float64) mesos.Resource {
	resource := resources.NewDisk(amount).Resource
	resource.AllocationInfo = &mesos.Resource_AllocationInfo{Role: text("go")}
	return resource
}

// Every reading call of the master's operator API, decoded by mesos-go's own types.
func askMaster() {
	sender := httpmaster.NewSender(client("http://"+*address+"/api/v1", *codecName).Send)
	for _, call := range []*master.Call{
		mastercalls.GetHealth(), mastercalls.GetFlags(), mastercalls.GetVersion(), mastercalls.GetMetrics(nil),
		mastercalls.GetLoggingLevel(), mastercalls.GetState(), mastercalls.GetAgents(), mastercalls.GetFrameworks(),
		mastercalls.GetExecutors(), mastercalls.GetTasks(), mastercalls.GetRoles(), mastercalls.GetWeights(),
		mastercalls.GetMaster(), mastercalls.GetMaintenanceStatus(), mastercalls.GetMaintenanceSchedule(), mastercalls.GetQuota(),
	} {
		if listsAgents(call.Type) && *codecName == codecs.NameJSON {
			continue
		}
		response, err := sender.Send(context.Background(), mastercalls.NonStreaming(call))
		must(call.Type.String(), err)
		var answer master.Response
		must(call.Type.String(), response.Decode(&answer))
		if answer.Type.String() != call.Type.String() {
			fail("%s is answered by %s", call.Type, answer.Type)
		}
		switch call.Type {
		case master.Call_GET_TASKS:
			if len(answer.GetTasks.Tasks) == 0 || len(answer.GetTasks.CompletedTasks) < *tasks {
				fail("GET_TASKS knows %d tasks and %d completed", len(answer.GetTasks.Tasks), len(answer.GetTasks.CompletedTasks))
			}
		case master.Call_GET_AGENTS:
			if len(answer.GetAgents.Agents) == 0 {
				fail("GET_AGENTS knows none")
			}
		}
		_ = response.Close()
	}
	if *codecName == codecs.NameJSON {
		say("the master answered")
		return
	}
	response, err := sender.Send(context.Background(), mastercalls.NonStreaming(mastercalls.Subscribe()))
	must("SUBSCRIBE", err)
	var event master.Event
	must("SUBSCRIBE", response.Decode(&event))
	if event.GetType() != master.Event_SUBSCRIBED || len(event.Subscribed.GetState.GetTasks.Tasks) == 0 {
		fail("SUBSCRIBED lacks the running task")
	}
	_ = response.Close()
	say("the master answered")
}

// The JSON decoder of this version of mesos-go refuses capabilities of agents that came after it.
func listsAgents(call master.Call_Type) bool {
	return call == master.Call_GET_STATE || call == master.Call_GET_AGENTS
}

// The same for the agent where the tasks run.
func askAgent(offer mesos.Offer) {
	where := offer.URL.Address
	url := fmt.Sprintf("http://%s:%d/api/v1", where.GetIP(), where.Port)
	sender := httpagent.NewSender(client(url, *codecName).Send)
	for _, call := range []*agent.Call{
		agentcalls.GetHealth(), agentcalls.GetFlags(), agentcalls.GetVersion(), agentcalls.GetMetrics(nil),
		agentcalls.GetLoggingLevel(), agentcalls.GetState(), agentcalls.GetContainers(), agentcalls.GetFrameworks(),
		agentcalls.GetExecutors(), agentcalls.GetTasks(), agentcalls.GetAgent(),
	} {
		response, err := sender.Send(context.Background(), agentcalls.NonStreaming(call))
		must(call.Type.String(), err)
		var answer agent.Response
		must(call.Type.String(), response.Decode(&answer))
		if answer.Type.String() != call.Type.String() {
			fail("%s is answered by %s", call.Type, answer.Type)
		}
		_ = response.Close()
	}
	say("the agent answered")
}
