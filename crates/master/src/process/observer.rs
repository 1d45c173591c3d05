//! `slave-observer(N)`: the address from which one agent is pinged, and to which it answers.

use ::process::{Context, Handle, Process};
use proto::{Name, internal};

use super::MasterProcess;
use crate::core::{Input, ObserverId};

/// Passes an agent's pongs on to the master.
pub(super) struct Observer {
    pub(super) id: ObserverId,
    pub(super) master: Handle<MasterProcess>,
}

impl Process for Observer {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.install_raw(internal::PongSlaveMessage::full_name(), |this, _, from, _| {
            let input = Input::Pong {
                observer: this.id,
                from: from.clone(),
            };
            this.master
                .dispatch(move |master, context| master.step(context, input));
        });
    }
}
