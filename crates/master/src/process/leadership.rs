//! Whether this master leads, and who does otherwise (facts: zookeeper.md §4, master-http.md §2).

use std::sync::Arc;

use ::process::Context;
use ::process::http::{Request, Response};
use election::{Contender, Detector, Group};
use http::StatusCode;
use proto::v1::MasterInfo;

use super::MasterProcess;
use crate::Error;

impl MasterProcess {
    /// Leads at once if nobody else can, or becomes a candidate.
    pub(super) fn run_for_leadership(&mut self, context: &mut Context<Self>) {
        match self.settings.group.clone() {
            Some(group) => {
                Self::contend(context, group.clone(), self.info.master.clone());
                Self::follow(context, group, None);
            }
            None => self.lead(context),
        }
    }

    /// Is a candidate for as long as the process lives.
    fn contend(context: &Context<Self>, group: Group, master: MasterInfo) {
        let candidacy = async move {
            let mut candidacy = group.contend(master).await?;
            candidacy.lost().await;
            Ok(group)
        };
        context.then(candidacy, |this, context, ended| match ended {
            Err(error) => this.fail(context, Error::Election(error)),
            Ok(_) if this.leads() => this.fail(context, Error::Deposed("the candidacy was lost")),
            Ok(group) => Self::contend(context, group, this.info.master.clone()),
        });
    }

    /// Hears of every leader after this one.
    fn follow(context: &Context<Self>, group: Group, previous: Option<MasterInfo>) {
        let detected = async move { (group.detect(previous).await, group) };
        context.then(detected, |this, context, (found, group)| match found {
            Ok(leader) => {
                this.on_leader(context, leader.clone());
                Self::follow(context, group, leader);
            }
            Err(error) => this.fail(context, Error::Election(error)),
        });
    }

    fn on_leader(&mut self, context: &mut Context<Self>, leader: Option<MasterInfo>) {
        let own = leader
            .as_ref()
            .is_some_and(|leader| leader.id == self.info.master.id);
        match &leader {
            _ if own && !self.leads() => self.lead(context),
            None if self.leads() => self.fail(context, Error::Deposed("nobody leads any more")),
            Some(_) if !own && self.leads() => self.fail(context, Error::Deposed("another master leads")),
            Some(other) if is_elsewhere(other, &self.info.master) => {
                self.fail(context, Error::Region(other.hostname().to_owned()));
            }
            _ => {}
        }
        self.leader = leader;
    }

    /// Takes the lead: reads the registry, and serves when it has.
    fn lead(&mut self, context: &mut Context<Self>) {
        tracing::info!("Elected as the leading master");
        Arc::make_mut(&mut self.info).elected_time = Some(context.now().as_secs_f64());
        self.leader = Some(self.info.master.clone());
        self.recover(context);
    }

    fn leads(&self) -> bool {
        self.info.elected_time.is_some()
    }

    /// The refusal of requests that need a leader: who leads is asked instead.
    pub(crate) fn not_leading(&self, request: &Request) -> Option<Response> {
        (!self.leads()).then(|| self.redirection(&request.target()))
    }

    /// The way to the same place at the leader.
    pub(crate) fn redirection(&self, target: &str) -> Response {
        match &self.leader {
            Some(leader) => {
                let location = format!("//{}:{}{target}", host(leader), leader.port);
                Response::new(StatusCode::TEMPORARY_REDIRECT).header("location", &location)
            }
            None => Response::unavailable("No leader elected"),
        }
    }
}

/// The name under which clients reach a master.
fn host(master: &MasterInfo) -> String {
    match &master.hostname {
        Some(hostname) => hostname.clone(),
        None => election::ip_of_number(master.ip).to_string(),
    }
}

/// Whether a master is known to be in another region.
fn is_elsewhere(master: &MasterInfo, own: &MasterInfo) -> bool {
    let region = |master: &MasterInfo| {
        let domain = master.domain.as_ref()?.fault_domain.as_ref()?;
        Some(domain.region.name.clone())
    };
    region(master)
        .zip(region(own))
        .is_some_and(|(theirs, ours)| theirs != ours)
}
