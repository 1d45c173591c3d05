//! `/profiler/start` and `/profiler/stop`, which answer what Mesos answers without its profiler.

use super::readwrite;
use crate::http::{Request, Response};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

struct ProfilerProcess;

impl Process for ProfilerProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        for path in ["/start", "/stop"] {
            readwrite(ctx, path, |_, _, _: Request| {
                Response::bad_request("The profiler is not enabled. Use the system's own, such as perf.\n")
            });
            ctx.describe(path, "Answers 400: there is no built-in profiler.");
        }
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime.spawn("profiler", ProfilerProcess).map(drop)
}
