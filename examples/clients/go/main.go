// Follows the operator event stream of a Mesos-compatible master, across connections and masters.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"time"

	mesos "mesos/v1/master"
)

const (
	minPause    = 100 * time.Millisecond
	maxPause    = 30 * time.Second
	stableAfter = 10 * time.Second

	exitRefused = 1
	exitUsage   = 2
	exitGaveUp  = 3
)

var errEnough = errors.New("enough records")

func main() {
	records := flag.Int("records", 0, "end after this many events")
	attempts := flag.Int("attempts", 0, "give up after this many failures in a row")
	url := parse()
	os.Exit(follow(url, *records, *attempts))
}

// parse takes flags before and after the URL, as the programs in the other languages do.
func parse() string {
	url := ""
	args := os.Args[1:]
	for {
		flag.CommandLine.Parse(args)
		if flag.NArg() == 0 {
			break
		}
		if url != "" {
			flag.Usage()
			os.Exit(exitUsage)
		}
		url, args = flag.Arg(0), flag.Args()[1:]
	}
	if url == "" {
		url = "http://127.0.0.1:5050/api/v1"
	}
	return url
}

func follow(url string, maxRecords, maxAttempts int) int {
	rand.Seed(time.Now().UnixNano())
	seen, failures, pause := 0, 0, minPause
	show := func(event *mesos.Event) error {
		if _, err := fmt.Println(line(event)); err != nil {
			return errEnough // Nobody reads any more.
		}
		seen++
		if maxRecords > 0 && seen >= maxRecords {
			return errEnough
		}
		return nil
	}
	for {
		began := time.Now()
		subscribed, err := stream(url, show)
		var refused *refusal
		switch {
		case errors.Is(err, errEnough):
			return 0
		case errors.As(err, &refused):
			fmt.Fprintln(os.Stderr, err)
			return exitRefused
		}
		if subscribed && time.Since(began) >= stableAfter {
			failures, pause = 0, minPause
		}
		failures++
		if maxAttempts > 0 && failures >= maxAttempts {
			fmt.Fprintf(os.Stderr, "gave up after %d attempts: %v\n", failures, err)
			return exitGaveUp
		}
		delay := pause/2 + time.Duration(rand.Int63n(int64(pause/2)))
		fmt.Fprintf(os.Stderr, "%v; trying again in %.1f s\n", err, delay.Seconds())
		time.Sleep(delay)
		if pause *= 2; pause > maxPause {
			pause = maxPause
		}
	}
}

func line(event *mesos.Event) string {
	kind := event.GetType()
	switch kind {
	case mesos.Event_SUBSCRIBED:
		state := event.GetSubscribed().GetGetState()
		return fmt.Sprintf("%v %d agents, %d frameworks, %d tasks", kind, len(state.GetGetAgents().GetAgents()),
			len(state.GetGetFrameworks().GetFrameworks()), len(state.GetGetTasks().GetTasks()))
	case mesos.Event_TASK_ADDED:
		task := event.GetTaskAdded().GetTask()
		return fmt.Sprintf("%v %v %v", kind, task.GetTaskId().GetValue(), task.GetState())
	case mesos.Event_TASK_UPDATED:
		update := event.GetTaskUpdated()
		return fmt.Sprintf("%v %v %v", kind, update.GetStatus().GetTaskId().GetValue(), update.GetState())
	case mesos.Event_AGENT_ADDED:
		agent := event.GetAgentAdded().GetAgent().GetAgentInfo()
		return fmt.Sprintf("%v %v %v", kind, agent.GetId().GetValue(), agent.GetHostname())
	case mesos.Event_AGENT_REMOVED:
		return fmt.Sprintf("%v %v", kind, event.GetAgentRemoved().GetAgentId().GetValue())
	case mesos.Event_FRAMEWORK_ADDED:
		info := event.GetFrameworkAdded().GetFramework().GetFrameworkInfo()
		return fmt.Sprintf("%v %v %v", kind, info.GetId().GetValue(), info.GetName())
	case mesos.Event_FRAMEWORK_UPDATED:
		info := event.GetFrameworkUpdated().GetFramework().GetFrameworkInfo()
		return fmt.Sprintf("%v %v %v", kind, info.GetId().GetValue(), info.GetName())
	case mesos.Event_FRAMEWORK_REMOVED:
		info := event.GetFrameworkRemoved().GetFrameworkInfo()
		return fmt.Sprintf("%v %v %v", kind, info.GetId().GetValue(), info.GetName())
	}
	return kind.String()
}
