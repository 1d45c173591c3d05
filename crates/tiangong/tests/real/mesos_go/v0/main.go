// A framework on the drivers of mesos-go (v0: messages between processes), scheduler and executor in one program.
// It walks once through what a driver can do and prints a line for each step that came out as it must:
//
//	v0 -master 127.0.0.1:5050 -tasks 50
//
// As an executor it is started by the agent with the word "executor".
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v0/auth"
	"github.com/mesos/mesos-go/api/v0/auth/sasl"
	_ "github.com/mesos/mesos-go/api/v0/auth/sasl/mech/crammd5"
	"github.com/mesos/mesos-go/api/v0/executor"
	mesos "github.com/mesos/mesos-go/api/v0/mesosproto"
	"github.com/mesos/mesos-go/api/v0/mesosutil"
	"github.com/mesos/mesos-go/api/v0/scheduler"
	"golang.org/x/net/context"
)

const executorID = "go-v0"

var (
	master    = flag.String("master", "127.0.0.1:5050", "where the master is")
	tasks     = flag.Int("tasks", 50, "how many tasks end by themselves")
	principal = flag.String("principal", "", "whom to authenticate as (CRAM-MD5)")
	secret    = flag.String("secret", "", "the secret of that principal")
	limit     = flag.Duration("limit", 2*time.Minute, "how long all of it may take")
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "executor" {
		runExecutor()
		return
	}
	flag.Parse()
	// What mesos-go logs goes to files otherwise.
	_ = flag.Set("logtostderr", "true")
	time.AfterFunc(*limit, func() { fail("not done after %v", *limit) })
	runScheduler()
}

func say(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

func fail(format string, values ...interface{}) {
	say("FAILED: "+format, values...)
	os.Exit(1)
}

// The executor: a task whose id begins with "stay" runs until it is killed, any other ends at once. Messages come back
// in capitals.

type worker struct{}

func runExecutor() {
	driver, err := executor.NewMesosExecutorDriver(executor.DriverConfig{
		Executor:       worker{},
		BindingAddress: net.ParseIP("127.0.0.1"),
	})
	if err != nil {
		fail("no executor driver: %v", err)
	}
	if _, err := driver.Run(); err != nil {
		fail("the executor driver ended: %v", err)
	}
}

func report(driver executor.ExecutorDriver, id *mesos.TaskID, state mesos.TaskState) {
	status := &mesos.TaskStatus{TaskId: id, State: state.Enum()}
	if _, err := driver.SendStatusUpdate(status); err != nil {
		fail("no update: %v", err)
	}
}

func (worker) Registered(executor.ExecutorDriver, *mesos.ExecutorInfo, *mesos.FrameworkInfo, *mesos.SlaveInfo) {
	say("executor registered")
}
func (worker) Reregistered(executor.ExecutorDriver, *mesos.SlaveInfo) { say("executor reregistered") }
func (worker) Disconnected(executor.ExecutorDriver)                   { say("executor disconnected") }

func (worker) LaunchTask(driver executor.ExecutorDriver, task *mesos.TaskInfo) {
	report(driver, task.TaskId, mesos.TaskState_TASK_RUNNING)
	if !strings.HasPrefix(task.TaskId.GetValue(), "stay") {
		report(driver, task.TaskId, mesos.TaskState_TASK_FINISHED)
	}
}

func (worker) KillTask(driver executor.ExecutorDriver, id *mesos.TaskID) {
	report(driver, id, mesos.TaskState_TASK_KILLED)
}

func (worker) FrameworkMessage(driver executor.ExecutorDriver, message string) {
	if _, err := driver.SendFrameworkMessage(strings.ToUpper(message)); err != nil {
		fail("no message: %v", err)
	}
}

func (worker) Shutdown(driver executor.ExecutorDriver) {
	say("executor shut down")
	_, _ = driver.Stop()
}
func (worker) Error(_ executor.ExecutorDriver, message string) { say("executor error: %s", message) }

// The scheduler: callbacks become events, the steps wait for them one after another.

type event struct {
	kind string
	// What a status, an offer or a message says, as text.
	what    string
	offer   *mesos.Offer
	status  *mesos.TaskStatus
	agent   *mesos.SlaveID
	details string
}

type framework struct {
	events chan event
	driver scheduler.SchedulerDriver
	id     *mesos.FrameworkID
}

func (f *framework) put(e event) { f.events <- e }

func (f *framework) Registered(_ scheduler.SchedulerDriver, id *mesos.FrameworkID, info *mesos.MasterInfo) {
	f.id = id
	f.put(event{kind: "registered", what: id.GetValue(), details: info.GetHostname()})
}
func (f *framework) Reregistered(scheduler.SchedulerDriver, *mesos.MasterInfo) {
	f.put(event{kind: "registered", what: f.id.GetValue()})
}
func (f *framework) Disconnected(scheduler.SchedulerDriver) { f.put(event{kind: "disconnected"}) }
func (f *framework) ResourceOffers(_ scheduler.SchedulerDriver, offers []*mesos.Offer) {
	for _, offer := range offers {
		f.put(event{kind: "offer", offer: offer})
	}
}
func (f *framework) OfferRescinded(_ scheduler.SchedulerDriver, id *mesos.OfferID) {
	f.put(event{kind: "rescinded", what: id.GetValue()})
}
func (f *framework) StatusUpdate(_ scheduler.SchedulerDriver, status *mesos.TaskStatus) {
	f.put(event{kind: "status", what: status.GetTaskId().GetValue(), status: status})
}
func (f *framework) FrameworkMessage(_ scheduler.SchedulerDriver, _ *mesos.ExecutorID, agent *mesos.SlaveID, message string) {
	f.put(event{kind: "message", what: message, agent: agent})
}
func (f *framework) SlaveLost(_ scheduler.SchedulerDriver, id *mesos.SlaveID) {
	f.put(event{kind: "agent lost", what: id.GetValue()})
}
func (f *framework) ExecutorLost(_ scheduler.SchedulerDriver, id *mesos.ExecutorID, agent *mesos.SlaveID, status int) {
	f.put(event{kind: "executor lost", what: id.GetValue(), agent: agent})
}
func (f *framework) Error(_ scheduler.SchedulerDriver, message string) {
	f.put(event{kind: "error", what: message})
}

func (f *framework) start(id *mesos.FrameworkID) {
	f.events = make(chan event, 10000)
	f.id = id
	info := &mesos.FrameworkInfo{
		User:            proto.String(""),
		Name:            proto.String("go v0"),
		Id:              id,
		FailoverTimeout: proto.Float64(60),
		Checkpoint:      proto.Bool(true),
	}
	config := scheduler.DriverConfig{
		Scheduler:      f,
		Framework:      info,
		Master:         *master,
		BindingAddress: net.ParseIP("127.0.0.1"),
	}
	if *principal != "" {
		info.Principal = principal
		config.Credential = &mesos.Credential{Principal: principal, Secret: secret}
		config.WithAuthContext = func(ctx context.Context) context.Context {
			ctx = auth.WithLoginProvider(ctx, sasl.ProviderName)
			return sasl.WithBindingAddress(ctx, net.ParseIP("127.0.0.1"))
		}
	}
	driver, err := scheduler.NewMesosSchedulerDriver(config)
	if err != nil {
		fail("no scheduler driver: %v", err)
	}
	f.driver = driver
	if status, err := driver.Start(); err != nil {
		fail("the driver did not start: %v %v", status, err)
	}
}

// Takes events until one fits; offers that come meanwhile are declined for a moment.
func (f *framework) await(what string, fits func(event) bool) event {
	for e := range f.events {
		if fits(e) {
			return e
		}
		switch e.kind {
		case "offer":
			_, _ = f.driver.DeclineOffer(e.offer.Id, &mesos.Filters{RefuseSeconds: proto.Float64(0.1)})
		case "error":
			fail("while waiting for %s: %s", what, e.what)
		}
	}
	return event{}
}

func (f *framework) state(task string, state mesos.TaskState) event {
	return f.await(fmt.Sprintf("%s of %s", state, task), func(e event) bool {
		if e.kind == "status" && e.what == task && e.status.GetState() != state && ended(e.status.GetState()) {
			fail("%s is %s: %s", task, e.status.GetState(), e.status.GetMessage())
		}
		return e.kind == "status" && e.what == task && e.status.GetState() == state
	})
}

// Whether a task in this state cannot come to another.
func ended(state mesos.TaskState) bool {
	switch state {
	case mesos.TaskState_TASK_STAGING, mesos.TaskState_TASK_STARTING, mesos.TaskState_TASK_RUNNING:
		return false
	}
	return true
}

// Whether there is room for what is launched here; what a single task gave back is offered too.
func ample(list []*mesos.Resource) bool {
	amounts := map[string]float64{}
	for _, resource := range list {
		amounts[resource.GetName()] += resource.GetScalar().GetValue()
	}
	return amounts["cpus"] > 0.7 && amounts["mem"] > 200
}

func (f *framework) launch(names []string) {
	offer := f.await("an offer", func(e event) bool { return e.kind == "offer" && ample(e.offer.Resources) }).offer
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		fail("%v", err)
	}
	var infos []*mesos.TaskInfo
	for _, name := range names {
		infos = append(infos, &mesos.TaskInfo{
			Name:    proto.String(name),
			TaskId:  mesosutil.NewTaskID(name),
			SlaveId: offer.SlaveId,
			Executor: &mesos.ExecutorInfo{
				ExecutorId: mesosutil.NewExecutorID(executorID),
				Command:    mesosutil.NewCommandInfo("exec " + self + " executor"),
				Resources:  []*mesos.Resource{mesosutil.NewScalarResource("cpus", 0.1), mesosutil.NewScalarResource("mem", 32)},
			},
			Resources: []*mesos.Resource{mesosutil.NewScalarResource("cpus", 0.01), mesosutil.NewScalarResource("mem", 1)},
		})
	}
	filters := &mesos.Filters{RefuseSeconds: proto.Float64(0)}
	_, err = f.driver.LaunchTasks([]*mesos.OfferID{offer.Id}, infos, filters)
	if err != nil {
		fail("no launch: %v", err)
	}
}

func runScheduler() {
	f := &framework{}
	f.start(nil)
	id := f.await("registration", func(e event) bool { return e.kind == "registered" })
	say("registered")

	// Not AcceptOffers: this version posts that call to the HTTP API, which is not for frameworks on drivers.
	var names []string
	for i := 0; i < *tasks; i++ {
		names = append(names, fmt.Sprintf("short-%d", i))
	}
	f.launch(names)
	finished := 0
	for finished < *tasks {
		e := f.await("the end of tasks", func(e event) bool { return e.kind == "status" })
		switch e.status.GetState() {
		case mesos.TaskState_TASK_FINISHED:
			finished++
		case mesos.TaskState_TASK_RUNNING, mesos.TaskState_TASK_STARTING:
		default:
			fail("%s is %s: %s", e.what, e.status.GetState(), e.status.GetMessage())
		}
	}
	say("finished %d tasks", finished)

	f.launch([]string{"stay-1", "stay-2"})
	// The executor driver of this version may change the order of tasks.
	var status *mesos.TaskStatus
	for running := map[string]bool{}; len(running) < 2; {
		status = f.await("both", func(e event) bool { return e.kind == "status" }).status
		if ended(status.GetState()) {
			fail("%s is %s: %s", status.GetTaskId().GetValue(), status.GetState(), status.GetMessage())
		}
		running[status.GetTaskId().GetValue()] = status.GetState() == mesos.TaskState_TASK_RUNNING
	}
	say("two stay")

	if _, err := f.driver.SendFrameworkMessage(mesosutil.NewExecutorID(executorID), status.SlaveId, "hello"); err != nil {
		fail("no message: %v", err)
	}
	f.await("the answer", func(e event) bool { return e.kind == "message" && e.what == "HELLO" })
	say("messages both ways")

	reconcile := func(which ...*mesos.TaskStatus) {
		if _, err := f.driver.ReconcileTasks(which); err != nil {
			fail("no reconciliation: %v", err)
		}
	}
	reconcile()
	f.state("stay-1", mesos.TaskState_TASK_RUNNING)
	reconcile(&mesos.TaskStatus{TaskId: mesosutil.NewTaskID("never"), State: mesos.TaskState_TASK_RUNNING.Enum()})
	f.await("TASK_LOST of an unknown task", func(e event) bool {
		return e.kind == "status" && e.what == "never" && e.status.GetState() == mesos.TaskState_TASK_LOST
	})
	say("reconciled")

	if _, err := f.driver.KillTask(mesosutil.NewTaskID("stay-1")); err != nil {
		fail("no kill: %v", err)
	}
	f.state("stay-1", mesos.TaskState_TASK_KILLED)
	say("killed")

	// A second driver takes the framework over; the task goes on under it.
	if _, err := f.driver.Stop(true); err != nil {
		fail("the driver did not stop: %v", err)
	}
	f.start(mesosutil.NewFrameworkID(id.what))
	again := f.await("registration after the failover", func(e event) bool { return e.kind == "registered" })
	if again.what != id.what {
		fail("another id after the failover: %s, not %s", again.what, id.what)
	}
	reconcile()
	f.state("stay-2", mesos.TaskState_TASK_RUNNING)
	say("failed over")

	if _, err := f.driver.KillTask(mesosutil.NewTaskID("stay-2")); err != nil {
		fail("no kill: %v", err)
	}
	f.state("stay-2", mesos.TaskState_TASK_KILLED)
	if _, err := f.driver.Stop(false); err != nil {
		fail("the driver did not stop: %v", err)
	}
	say("done")
}
