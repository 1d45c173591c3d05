import com.google.protobuf.InvalidProtocolBufferException;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import org.apache.mesos.v1.master.Protos.Call;
import org.apache.mesos.v1.master.Protos.Event;

/** One answer to SUBSCRIBE. {@link IOException} means that another attempt may do better. */
final class EventStream implements Closeable {
  /** The master will give the same answer again. */
  static final class Refused extends RuntimeException {
    Refused(String message) {
      super(message);
    }
  }

  private static final String PROTOBUF = "application/x-protobuf";
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
  private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);
  private static final int MISSED_HEARTBEATS = 3;
  private static final int MAX_DIGITS = 20;
  private static final int MAX_RECORD = 256 << 20;
  private static final int MAX_REDIRECTS = 5;
  private static final int MAX_MESSAGE = 4 << 10;
  private static final Set<Integer> REDIRECT = Set.of(301, 302, 303, 307, 308);
  private static final Set<Integer> TRANSIENT = Set.of(404, 408, 425, 429, 500, 502, 503, 504);

  private static final HttpClient CLIENT =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(CONNECT_TIMEOUT)
          .followRedirects(HttpClient.Redirect.NEVER)
          .build();

  private final Watch watch;
  private final InputStream in;
  private boolean subscribed;

  private EventStream(InputStream body) {
    this.watch = new Watch(body, ANSWER_TIMEOUT);
    this.in = new BufferedInputStream(watch, 64 << 10);
  }

  static EventStream open(String url) throws IOException, InterruptedException {
    try {
      URI at = new URI(url);
      for (int hops = 0; ; hops++) {
        HttpResponse<InputStream> response = CLIENT.send(subscribe(at), BodyHandlers.ofInputStream());
        if (response.statusCode() == 200) {
          check(response);
          return new EventStream(response.body());
        }
        at = follow(response, hops, at);
      }
    } catch (URISyntaxException | IllegalArgumentException error) {
      throw new IOException("cannot follow: " + error.getMessage(), error);
    }
  }

  private static HttpRequest subscribe(URI at) {
    byte[] call = Call.newBuilder().setType(Call.Type.SUBSCRIBE).build().toByteArray();
    return HttpRequest.newBuilder(at)
        .timeout(ANSWER_TIMEOUT)
        .header("Content-Type", PROTOBUF)
        .header("Accept", PROTOBUF)
        .POST(BodyPublishers.ofByteArray(call))
        .build();
  }

  private static void check(HttpResponse<InputStream> response) throws IOException {
    String header = response.headers().firstValue("Content-Type").orElse("");
    String type = header.split(";")[0].trim().toLowerCase(Locale.ROOT);
    if (!type.equals(PROTOBUF)) {
      response.body().close();
      throw new IOException("expected " + PROTOBUF + ", the answer is \"" + type + "\"");
    }
  }

  /** Where a redirect leads; throws for any other status. */
  private static URI follow(HttpResponse<InputStream> response, int hops, URI base) throws IOException {
    int status = response.statusCode();
    if (REDIRECT.contains(status)) {
      response.body().close();
      String location = response.headers().firstValue("Location").orElse("");
      if (location.isEmpty()) {
        throw new IOException("the master redirects to nowhere");
      }
      if (hops >= MAX_REDIRECTS) {
        throw new IOException("gave up after " + hops + " redirects, the last one to " + location);
      }
      return base.resolve(location);
    }
    String text = "the master answered " + status + ": " + message(response);
    if (TRANSIENT.contains(status)) {
      throw new IOException(text);
    }
    throw new Refused(text);
  }

  private static String message(HttpResponse<InputStream> response) throws IOException {
    try (InputStream body = new Watch(response.body(), CONNECT_TIMEOUT)) {
      return new String(body.readNBytes(MAX_MESSAGE), StandardCharsets.UTF_8).trim();
    }
  }

  /** Waits for the next event. */
  Event next() throws IOException {
    int length = readLength();
    // Grows as bytes come, not as the length promises.
    byte[] record = in.readNBytes(length);
    if (record.length < length) {
      throw new IOException("the stream was cut inside a record, " + (length - record.length) + " bytes early");
    }
    Event event;
    try {
      event = Event.parseFrom(record); // Checks the required fields too.
    } catch (InvalidProtocolBufferException error) {
      throw new IOException("undecodable record of " + length + " bytes: " + error.getMessage(), error);
    }
    if (!subscribed) {
      begin(event);
    }
    return event;
  }

  private void begin(Event event) throws IOException {
    if (event.getType() != Event.Type.SUBSCRIBED) {
      throw new IOException("the stream begins with " + event.getType() + " instead of SUBSCRIBED");
    }
    double seconds = event.getSubscribed().getHeartbeatIntervalSeconds();
    if (!(seconds > 0 && seconds <= 3600)) {
      seconds = 15;
    }
    watch.limit(Duration.ofNanos((long) (seconds * MISSED_HEARTBEATS * 1e9)));
    subscribed = true;
  }

  private int readLength() throws IOException {
    long length = 0;
    for (int digits = 0; ; digits++) {
      int b = in.read();
      if (b == -1) {
        throw new IOException(digits == 0 ? "the master closed the stream" : "the stream was cut inside a length");
      }
      if (b == '\n' && digits > 0) {
        return (int) length;
      }
      if (b < '0' || b > '9') {
        throw new IOException("bad length: byte " + b + " is no digit");
      }
      if (digits == MAX_DIGITS) {
        throw new IOException("a length has more than " + MAX_DIGITS + " digits");
      }
      length = length * 10 + (b - '0');
      if (length > MAX_RECORD) {
        throw new IOException("bad length: more than " + MAX_RECORD + " bytes");
      }
    }
  }

  @Override
  public void close() throws IOException {
    watch.close();
  }
}
