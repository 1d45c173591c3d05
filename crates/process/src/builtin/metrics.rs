//! `/metrics/snapshot`, and `/metrics` for scrapers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{denied, readonly};
use crate::http::{Reply, Request, Response, StatusCode};
use crate::metrics::{RateLimit, openmetrics};
use crate::runtime::Runtime;
use crate::{Context, Error, Process, Time, parse_duration};

struct MetricsProcess {
    limit: Option<RateLimit>,
    /// When the next request may be answered.
    next: Time,
}

impl Process for MetricsProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        readonly(ctx, "/snapshot", Self::snapshot);
        readonly(ctx, "/", Self::scrape);
        ctx.describe(
            "/",
            "Gives the current metrics as OpenMetrics. Query: `timeout=<duration>` leaves out what takes longer.",
        );
        ctx.describe(
            "/snapshot",
            "Gives the current metrics. Query: `timeout=<duration>` leaves out what takes longer, `jsonp`.",
        );
    }
}

impl MetricsProcess {
    /// How long a request that comes now has to wait: permits are evenly spaced.
    fn wait(&mut self, now: Time) -> Duration {
        let Some(limit) = self.limit else {
            return Duration::ZERO;
        };
        let at = self.next.max(now);
        self.next = at + limit.spacing();
        at - now
    }

    fn snapshot(&mut self, ctx: &mut Context<Self>, request: Request) -> Reply {
        self.answer(ctx, request, |values, request| {
            // JSON has no word for the others.
            let finite: BTreeMap<&str, f64> = values
                .iter()
                .filter(|(_, v)| v.is_finite())
                .map(|(k, v)| (k.as_str(), *v))
                .collect();
            Response::json_value(&finite, request.jsonp())
        })
    }

    fn scrape(&mut self, ctx: &mut Context<Self>, request: Request) -> Reply {
        if !request.tail().is_empty() {
            return Response::not_found().into();
        }
        self.answer(ctx, request, |values, _| {
            Response::with_body(StatusCode::OK, openmetrics::write(values))
                .header("content-type", openmetrics::CONTENT_TYPE)
        })
    }

    /// Answers with the values, when there is a permit and they are there.
    fn answer(
        &mut self,
        ctx: &Context<Self>,
        request: Request,
        response: fn(&BTreeMap<String, f64>, &Request) -> Response,
    ) -> Reply {
        if let Some(denied) = denied(ctx, &request) {
            return denied.into();
        }
        let timeout = match request.query.get("timeout") {
            None => None,
            Some(text) => match parse_duration(text) {
                Some(timeout) => Some(timeout),
                None => return Response::bad_request(format!("Invalid timeout '{text}'.\n")).into(),
            },
        };
        let wait = self.wait(ctx.now());
        let (clock, metrics) = (ctx.runtime().clock().clone(), ctx.runtime().metrics().clone());
        Reply::later(async move {
            if !wait.is_zero() {
                clock.sleep(wait).await;
            }
            response(&metrics.snapshot(&clock, timeout).await, &request)
        })
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    let limit = runtime.settings().environment.metrics_rate_limit;
    runtime
        .spawn(
            "metrics",
            MetricsProcess {
                limit,
                next: Time::EPOCH,
            },
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_evenly_spaced_and_the_first_is_immediate() {
        let mut process = MetricsProcess {
            limit: Some(RateLimit::DEFAULT),
            next: Time::EPOCH,
        };
        let now = Time::from_secs(100);
        assert_eq!(
            [process.wait(now), process.wait(now), process.wait(now)].map(|d| d.as_millis()),
            [0, 500, 1_000]
        );
        assert_eq!(process.wait(now + Duration::from_secs(10)), Duration::ZERO);
        let mut free = MetricsProcess {
            limit: None,
            next: Time::EPOCH,
        };
        assert_eq!((free.wait(now), free.wait(now)), (Duration::ZERO, Duration::ZERO));
    }
}
