use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::poll_fn;
use tokio::sync::watch;

use super::*;

/// A numbered event that counts how often it is encoded.
struct Numbered {
    number: usize,
    weight: usize,
    encoded: Arc<AtomicUsize>,
}

impl Event for Numbered {
    fn weight(&self) -> usize {
        self.weight
    }

    fn record(&self, content_type: ContentType) -> Bytes {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        Bytes::from(format!("{content_type:?} {}", self.number))
    }
}

struct Fixture {
    hub: Hub<Numbered>,
    encoded: Arc<AtomicUsize>,
    beats: watch::Sender<usize>,
    closed: Arc<AtomicUsize>,
}

fn fixture(limits: Limits) -> Fixture {
    let (beats, receiver) = watch::channel(0);
    let hub = Hub::new(limits, move || {
        let mut receiver = receiver.clone();
        receiver.mark_unchanged();
        Box::pin(async move {
            // An error means that no beat will come any more.
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    });
    Fixture {
        hub,
        encoded: Arc::default(),
        beats,
        closed: Arc::default(),
    }
}

impl Fixture {
    fn publish(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.hub.publish(Numbered {
                number,
                weight: 10,
                encoded: Arc::clone(&self.encoded),
            });
        }
    }

    fn subscribe(&self) -> Subscription<Numbered> {
        let closed = Arc::clone(&self.closed);
        self.hub.subscribe(ContentType::Json, move || {
            closed.fetch_add(1, Ordering::Relaxed);
        })
    }
}

async fn next(subscription: &mut Subscription<Numbered>) -> Option<String> {
    let record = poll_fn(|context| subscription.poll_record(context)).await;
    record.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

const HEARTBEAT: &str = "20\n{\"type\":\"HEARTBEAT\"}";

#[tokio::test]
async fn a_subscriber_reads_what_is_published_after_it_came_in_order() {
    let fixture = fixture(Limits::default());
    let mut early = fixture.subscribe();
    fixture.publish(0..100);
    let mut late = fixture.subscribe();
    fixture.publish(100..200);
    assert_eq!(next(&mut early).await.as_deref(), Some(HEARTBEAT));
    assert_eq!(next(&mut late).await.as_deref(), Some(HEARTBEAT));
    for number in 0..200 {
        assert_eq!(next(&mut early).await, Some(format!("Json {number}")));
        if number >= 100 {
            assert_eq!(next(&mut late).await, Some(format!("Json {number}")));
        }
    }
    assert_eq!(
        fixture.encoded.load(Ordering::Relaxed),
        200,
        "each event is encoded once for all subscribers"
    );
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken_by_an_event() {
    let fixture = fixture(Limits::default());
    let mut subscription = fixture.subscribe();
    assert_eq!(next(&mut subscription).await.as_deref(), Some(HEARTBEAT));
    let reader = tokio::spawn(async move { next(&mut subscription).await });
    tokio::task::yield_now().await;
    fixture.publish(7..8);
    assert_eq!(reader.await.unwrap().as_deref(), Some("Json 7"));
}

#[tokio::test]
async fn one_that_does_not_read_is_cut_off_and_the_others_notice_nothing() {
    let fixture = fixture(Limits {
        events: 100,
        ..Limits::default()
    });
    let mut stuck = fixture.subscribe();
    let mut healthy = fixture.subscribe();
    assert_eq!(next(&mut healthy).await.as_deref(), Some(HEARTBEAT));
    for number in 0..101 {
        assert_eq!(
            fixture.closed.load(Ordering::Relaxed),
            0,
            "not before event {number}"
        );
        fixture.publish(number..number + 1);
        assert_eq!(next(&mut healthy).await, Some(format!("Json {number}")));
    }
    assert_eq!(fixture.closed.load(Ordering::Relaxed), 1);
    assert_eq!(
        fixture.hub.counters(),
        Counters {
            subscribers: 1,
            evicted: 0,
            lagging: 1
        }
    );
    // What it had already been given is still there, then comes the end.
    assert_eq!(next(&mut stuck).await.as_deref(), Some(HEARTBEAT));
    assert_eq!(next(&mut stuck).await, None);
}

#[tokio::test]
async fn the_weight_of_events_counts_as_their_number_does() {
    let fixture = fixture(Limits {
        weight: 1000,
        ..Limits::default()
    });
    let _stuck = fixture.subscribe();
    fixture.publish(0..100);
    assert_eq!(fixture.hub.counters().lagging, 0);
    fixture.publish(100..101);
    assert_eq!(fixture.hub.counters().lagging, 1);
}

#[tokio::test]
async fn a_newcomer_over_the_limit_closes_the_oldest() {
    let fixture = fixture(Limits {
        subscribers: 2,
        ..Limits::default()
    });
    let mut first = fixture.subscribe();
    let mut second = fixture.subscribe();
    // The first has read all and waits: it ends in good order. The second would be cut off.
    assert_eq!(next(&mut first).await.as_deref(), Some(HEARTBEAT));
    let waiting = tokio::spawn(async move { next(&mut first).await });
    tokio::task::yield_now().await;
    let _third = fixture.subscribe();
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(fixture.closed.load(Ordering::Relaxed), 0);
    let _fourth = fixture.subscribe();
    assert_eq!(fixture.closed.load(Ordering::Relaxed), 1);
    assert_eq!(next(&mut second).await.as_deref(), Some(HEARTBEAT));
    assert_eq!(next(&mut second).await, None);
    assert_eq!(
        fixture.hub.counters(),
        Counters {
            subscribers: 2,
            evicted: 2,
            lagging: 0
        }
    );
}

#[tokio::test]
async fn a_heartbeat_comes_with_every_beat() {
    let fixture = fixture(Limits::default());
    let mut subscription = fixture.subscribe();
    assert_eq!(next(&mut subscription).await.as_deref(), Some(HEARTBEAT));
    for beat in 1..4 {
        let (mut reader, sender) = (Box::pin(next(&mut subscription)), &fixture.beats);
        let waiting =
            poll_fn(|context| std::task::Poll::Ready(reader.as_mut().poll(context).is_pending())).await;
        assert!(waiting);
        sender.send(beat).unwrap();
        assert_eq!(reader.await.as_deref(), Some(HEARTBEAT));
    }
}

#[tokio::test]
async fn a_subscriber_that_left_is_forgotten() {
    let fixture = fixture(Limits::default());
    drop(fixture.subscribe());
    assert_eq!(fixture.hub.counters(), Counters::default());
}

#[tokio::test]
async fn the_end_of_the_hub_ends_its_subscribers_after_the_last_event() {
    let fixture = fixture(Limits::default());
    let mut subscription = fixture.subscribe();
    fixture.publish(0..1);
    drop(fixture.hub);
    assert_eq!(next(&mut subscription).await.as_deref(), Some(HEARTBEAT));
    assert_eq!(next(&mut subscription).await.as_deref(), Some("Json 0"));
    assert_eq!(next(&mut subscription).await, None);
}
