//! Calls of the v1 scheduler API, before anything is looked up (scheduler-http.md §2). The texts are the bodies of 400
//! answers, after `Failed to validate scheduler::Call: `.

use proto::v1::scheduler::Call;
use proto::v1::scheduler::call::{Subscribe, Type};

use super::Invalid;

/// Length of a status uuid in bytes.
pub const UUID_LENGTH: usize = 16;

/// Checks a decoded call; `principal` is the authenticated one.
pub fn validate(call: &Call, principal: Option<&str>) -> Result<(), Invalid> {
    if call.r#type.is_none() {
        return Err(absent("type"));
    }
    if call.r#type() == Type::Subscribe {
        let subscribe = call.subscribe.as_ref().ok_or_else(|| absent("subscribe"))?;
        return subscription(call, subscribe, principal);
    }
    if call.framework_id.is_none() {
        return Err(absent("framework_id"));
    }
    match call.r#type() {
        Type::Accept => present(&call.accept, "accept").map(drop),
        Type::Decline => present(&call.decline, "decline").map(drop),
        Type::AcceptInverseOffers => present(&call.accept_inverse_offers, "accept_inverse_offers").map(drop),
        Type::DeclineInverseOffers => {
            present(&call.decline_inverse_offers, "decline_inverse_offers").map(drop)
        }
        Type::Kill => present(&call.kill, "kill").map(drop),
        Type::Shutdown => present(&call.shutdown, "shutdown").map(drop),
        Type::Reconcile => present(&call.reconcile, "reconcile").map(drop),
        Type::ReconcileOperations => present(&call.reconcile_operations, "reconcile_operations").map(drop),
        Type::Message => present(&call.message, "message").map(drop),
        Type::Request => present(&call.request, "request").map(drop),
        Type::Acknowledge => uuid(&present(&call.acknowledge, "acknowledge")?.uuid),
        Type::AcknowledgeOperationStatus => {
            let acknowledge = present(&call.acknowledge_operation_status, "acknowledge_operation_status")?;
            uuid(&acknowledge.uuid)?;
            acknowledge
                .agent_id
                .as_ref()
                .map(drop)
                .ok_or_else(|| absent("agent_id"))
        }
        Type::UpdateFramework => {
            let update = present(&call.update_framework, "update_framework")?;
            if call.framework_id != update.framework_info.id {
                return Err("'framework_id' differs from 'update_framework.framework_info.id'".to_owned());
            }
            Ok(())
        }
        Type::Teardown | Type::Revive | Type::Suppress | Type::Unknown | Type::Subscribe => Ok(()),
    }
}

fn subscription(call: &Call, subscribe: &Subscribe, principal: Option<&str>) -> Result<(), Invalid> {
    let info = &subscribe.framework_info;
    // An empty id is none.
    let text =
        |id: &Option<proto::v1::FrameworkId>| id.as_ref().map(|id| id.value.clone()).unwrap_or_default();
    if text(&call.framework_id) != text(&info.id) {
        return Err("'framework_id' differs from 'subscribe.framework_info.id'".to_owned());
    }
    match (principal, info.principal.as_deref()) {
        (Some(authenticated), Some(claimed)) if authenticated != claimed => Err(format!(
            "Authenticated principal '{authenticated}' does not match principal '{claimed}' set in `FrameworkInfo`"
        )),
        _ => Ok(()),
    }
}

fn present<'a, T>(field: &'a Option<T>, name: &str) -> Result<&'a T, Invalid> {
    field.as_ref().ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Invalid {
    format!("Expecting '{name}' to be present")
}

fn uuid(bytes: &[u8]) -> Result<(), Invalid> {
    if bytes.len() == UUID_LENGTH {
        Ok(())
    } else {
        Err("Not a valid UUID".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::v1::{self, FrameworkInfo, scheduler::call};

    use super::*;

    #[track_caller]
    fn check(call: &Call, principal: Option<&str>, fault: Option<&str>) {
        assert_eq!(validate(call, principal).err().as_deref(), fault);
    }

    fn of(kind: Type) -> Call {
        let framework_id = Some(v1::FrameworkId {
            value: "f".to_owned(),
        });
        Call {
            framework_id,
            r#type: Some(kind as i32),
            ..Call::default()
        }
    }

    #[test]
    fn each_call_needs_its_own_part() {
        check(&Call::default(), None, Some("Expecting 'type' to be present"));
        let call = Call {
            r#type: Some(Type::Revive as i32),
            ..Call::default()
        };
        check(&call, None, Some("Expecting 'framework_id' to be present"));
        check(
            &of(Type::Subscribe),
            None,
            Some("Expecting 'subscribe' to be present"),
        );
        check(&of(Type::Accept), None, Some("Expecting 'accept' to be present"));
        check(
            &of(Type::Decline),
            None,
            Some("Expecting 'decline' to be present"),
        );
        check(
            &of(Type::AcceptInverseOffers),
            None,
            Some("Expecting 'accept_inverse_offers' to be present"),
        );
        check(
            &of(Type::DeclineInverseOffers),
            None,
            Some("Expecting 'decline_inverse_offers' to be present"),
        );
        check(&of(Type::Kill), None, Some("Expecting 'kill' to be present"));
        check(
            &of(Type::Shutdown),
            None,
            Some("Expecting 'shutdown' to be present"),
        );
        check(
            &of(Type::Reconcile),
            None,
            Some("Expecting 'reconcile' to be present"),
        );
        check(
            &of(Type::ReconcileOperations),
            None,
            Some("Expecting 'reconcile_operations' to be present"),
        );
        check(
            &of(Type::Message),
            None,
            Some("Expecting 'message' to be present"),
        );
        check(
            &of(Type::Request),
            None,
            Some("Expecting 'request' to be present"),
        );
        check(
            &of(Type::Acknowledge),
            None,
            Some("Expecting 'acknowledge' to be present"),
        );
        check(
            &of(Type::UpdateFramework),
            None,
            Some("Expecting 'update_framework' to be present"),
        );
        for kind in [Type::Teardown, Type::Revive, Type::Suppress] {
            check(&of(kind), None, None);
        }
    }

    #[test]
    fn an_acknowledgement_needs_sixteen_bytes() {
        let acknowledge = |uuid: &'static [u8]| Call {
            acknowledge: Some(call::Acknowledge {
                uuid: Bytes::from_static(uuid),
                ..call::Acknowledge::default()
            }),
            ..of(Type::Acknowledge)
        };
        check(&acknowledge(&[7; 16]), None, None);
        check(&acknowledge(&[7; 15]), None, Some("Not a valid UUID"));
        check(
            &acknowledge(b"8f07a4c2-8d4d-4d5c-8f73-5d7d0f3c9c3b"),
            None,
            Some("Not a valid UUID"),
        );
    }

    #[test]
    fn a_subscription_must_agree_with_itself() {
        let info = |id: Option<&str>, principal: Option<&str>| FrameworkInfo {
            id: id.map(|id| v1::FrameworkId { value: id.to_owned() }),
            principal: principal.map(str::to_owned),
            ..FrameworkInfo::default()
        };
        let subscribe = |outer: Option<&str>, info: FrameworkInfo| Call {
            framework_id: outer.map(|id| v1::FrameworkId { value: id.to_owned() }),
            r#type: Some(Type::Subscribe as i32),
            subscribe: Some(Subscribe {
                framework_info: info,
                ..Subscribe::default()
            }),
            ..Call::default()
        };
        check(&subscribe(None, info(None, None)), Some("p"), None);
        check(&subscribe(Some("f"), info(Some("f"), Some("p"))), Some("p"), None);
        let differs = Some("'framework_id' differs from 'subscribe.framework_info.id'");
        check(&subscribe(Some("f"), info(None, None)), None, differs);
        check(&subscribe(None, info(Some("f"), None)), None, differs);
        let principal = "Authenticated principal 'p' does not match principal 'q' set in `FrameworkInfo`";
        check(
            &subscribe(None, info(None, Some("q"))),
            Some("p"),
            Some(principal),
        );
    }
}
