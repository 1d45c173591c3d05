import java.io.IOException;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.mesos.v1.Protos.FrameworkInfo;
import org.apache.mesos.v1.master.Protos.Event;
import org.apache.mesos.v1.master.Protos.Response.GetState;

/** Follows the operator event stream of a Mesos-compatible master, across connections and masters. */
public final class Follow {
  private static final long MIN_PAUSE = 100;
  private static final long MAX_PAUSE = 30_000;
  private static final long STABLE_AFTER_NANOS = 10_000_000_000L;
  private static final int REFUSED = 1;
  private static final int USAGE = 2;
  private static final int GAVE_UP = 3;

  private String url = "http://127.0.0.1:5050/api/v1";
  private long maxRecords;
  private long maxAttempts;

  public static void main(String[] args) throws InterruptedException {
    Follow follow = new Follow();
    try {
      follow.parse(args);
    } catch (IllegalArgumentException error) {
      System.err.println(error.getMessage() + "\nusage: run.sh [URL] [--records N] [--attempts N]");
      System.exit(USAGE);
    }
    System.exit(follow.run());
  }

  private void parse(String[] args) {
    boolean named = false;
    for (int i = 0; i < args.length; i++) {
      boolean records = args[i].equals("--records");
      if (records || args[i].equals("--attempts")) {
        if (++i == args.length) {
          throw new IllegalArgumentException(args[i - 1] + " needs a number");
        }
        long number = Long.parseLong(args[i]);
        maxRecords = records ? number : maxRecords;
        maxAttempts = records ? maxAttempts : number;
      } else if (args[i].startsWith("-") || named) {
        throw new IllegalArgumentException("unexpected " + args[i]);
      } else {
        url = args[i];
        named = true;
      }
    }
  }

  private int run() throws InterruptedException {
    long seen = 0;
    long failures = 0;
    long pause = MIN_PAUSE;
    while (true) {
      long began = System.nanoTime();
      boolean subscribed = false;
      String reason;
      try (EventStream stream = EventStream.open(url)) {
        while (true) {
          Event event = stream.next();
          subscribed = true;
          System.out.println(line(event));
          seen++;
          // A PrintStream tells only when asked that nobody reads any more.
          if (seen == maxRecords || System.out.checkError()) {
            return 0;
          }
        }
      } catch (EventStream.Refused error) {
        System.err.println(error.getMessage());
        return REFUSED;
      } catch (IOException error) {
        reason = error.getMessage() == null ? error.toString() : error.getMessage();
      }
      if (subscribed && System.nanoTime() - began >= STABLE_AFTER_NANOS) {
        failures = 0;
        pause = MIN_PAUSE;
      }
      failures++;
      if (failures == maxAttempts) {
        System.err.printf("gave up after %d attempts: %s%n", failures, reason);
        return GAVE_UP;
      }
      long delay = pause / 2 + ThreadLocalRandom.current().nextLong(pause / 2 + 1);
      System.err.printf("%s; trying again in %.1f s%n", reason, delay / 1000.0);
      Thread.sleep(delay);
      pause = Math.min(pause * 2, MAX_PAUSE);
    }
  }

  private static String line(Event event) {
    Event.Type type = event.getType();
    switch (type) {
      case SUBSCRIBED:
        GetState state = event.getSubscribed().getGetState();
        return String.format(
            "%s %d agents, %d frameworks, %d tasks",
            type,
            state.getGetAgents().getAgentsCount(),
            state.getGetFrameworks().getFrameworksCount(),
            state.getGetTasks().getTasksCount());
      case TASK_ADDED:
        var task = event.getTaskAdded().getTask();
        return type + " " + task.getTaskId().getValue() + " " + task.getState();
      case TASK_UPDATED:
        var update = event.getTaskUpdated();
        return type + " " + update.getStatus().getTaskId().getValue() + " " + update.getState();
      case AGENT_ADDED:
        var agent = event.getAgentAdded().getAgent().getAgentInfo();
        return type + " " + agent.getId().getValue() + " " + agent.getHostname();
      case AGENT_REMOVED:
        return type + " " + event.getAgentRemoved().getAgentId().getValue();
      case FRAMEWORK_ADDED:
        return framework(type, event.getFrameworkAdded().getFramework().getFrameworkInfo());
      case FRAMEWORK_UPDATED:
        return framework(type, event.getFrameworkUpdated().getFramework().getFrameworkInfo());
      case FRAMEWORK_REMOVED:
        return framework(type, event.getFrameworkRemoved().getFrameworkInfo());
      default:
        return type.toString();
    }
  }

  private static String framework(Event.Type type, FrameworkInfo info) {
    return type + " " + info.getId().getValue() + " " + info.getName();
  }
}
