import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** A stream that closes when a read waits too long: the bodies of HttpClient know no time-out of their own. */
final class Watch extends FilterInputStream {
  private static final ScheduledExecutorService TIMER =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "watch");
            thread.setDaemon(true);
            return thread;
          });

  private volatile Duration limit;
  private volatile boolean expired;

  Watch(InputStream in, Duration limit) {
    super(in);
    this.limit = limit;
  }

  /** Holds for the reads to come. */
  void limit(Duration limit) {
    this.limit = limit;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) == -1 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    ScheduledFuture<?> alarm = TIMER.schedule(this::expire, limit.toNanos(), TimeUnit.NANOSECONDS);
    try {
      return super.read(bytes, offset, length);
    } catch (IOException error) {
      if (expired) {
        throw new IOException("nothing came for " + limit.toMillis() + " ms", error);
      }
      throw error;
    } finally {
      alarm.cancel(false);
    }
  }

  private void expire() {
    expired = true;
    try {
      in.close();
    } catch (IOException ignored) {
      // The reader learns of it by itself.
    }
  }
}
