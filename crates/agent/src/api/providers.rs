//! Calls about resource providers: there can be none here, and these say so as an agent without
//! `--resource_provider_config_dir` does (facts: agent-http, section 3.2).

use ::process::http::Response;
use proto::v1::agent::Call;
use proto::v1::agent::call::Type;

use crate::process::AgentProcess;

impl AgentProcess {
    /// The answer to a call that would add, change, remove or disown a provider.
    pub(super) fn provider_call(&self, call: &Call) -> Response {
        let info = match call.r#type() {
            Type::AddResourceProviderConfig => {
                call.add_resource_provider_config.as_ref().map(|add| &add.info)
            }
            Type::UpdateResourceProviderConfig => {
                let update = call.update_resource_provider_config.as_ref();
                update.map(|update| &update.info)
            }
            Type::MarkResourceProviderGone => {
                let gone = call.mark_resource_provider_gone.as_ref();
                let id = gone.map_or("", |gone| gone.resource_provider_id.value.as_str());
                return self.provider_gone(id);
            }
            _ => None,
        };
        let Some(info) = info else {
            return Response::internal_error("Missing required flag --resource_provider_config_dir");
        };
        // No type is known here, that of Mesos's own storage provider included.
        let (kind, name) = (&info.r#type, &info.name);
        Response::bad_request(format!(
            "Failed to validate resource provider config with type '{kind}' and name '{name}': Unknown local \
             resource provider type '{kind}'"
        ))
    }

    fn provider_gone(&self, id: &str) -> Response {
        if self.core.info().id.is_none() {
            return Response::internal_error(format!(
                "Could not mark resource provider '{id}' as gone: Agent has not registered yet"
            ));
        }
        // Compat: one that never was is as gone as can be.
        Response::ok()
    }
}
