//! Reading the lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::entity::Entity;
use super::list::{List, Objects};
use super::{Acls, Rule, is_authorizable};
use crate::Error;

impl Acls {
    /// Reads and checks the lists.
    ///
    /// # Errors
    /// When the text is not a JSON object of the right shape; when a list that has only one object names some; when
    /// `get_endpoints` names a path nobody asks about. An entity type other than SOME, ANY and NONE is an error too: read
    /// as its default, it would open what it was meant to close.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text).map_err(|error| Error::Acls(error.to_string()))?;
        let Value::Object(object) = value else {
            return Err(Error::Acls("expected an object".to_owned()));
        };
        let mut acls = Self::default();
        if let Some(value) = present(&object, "permissive") {
            acls.permissive = boolean(value)?;
        }
        for list in List::ALL {
            if let Some(value) = present(&object, list.name()) {
                acls.rules[*list as usize] = rules(*list, value)?;
            }
        }
        let known = |key: &str| key == "permissive" || List::ALL.iter().any(|list| list.name() == key);
        acls.warnings = object
            .keys()
            .filter(|key| !known(key))
            .map(|key| format!("acls: there is no list '{key}'; it has no effect"))
            .collect();
        Ok(acls)
    }
}

fn rules(list: List, value: &Value) -> Result<Arc<[Rule]>, Error> {
    let mut rules = Vec::new();
    for entry in items(value) {
        let Value::Object(entry) = entry else {
            return Err(malformed(list, "an entry is not an object"));
        };
        let entity = |field: &str| -> Result<Entity, Error> {
            let missing = || malformed(list, &format!("an entry lacks '{field}'"));
            entity(list, field, present(entry, field).ok_or_else(missing)?)
        };
        let principals = entity("principals")?;
        let objects = check_objects(list, entity(list.field())?)?;
        rules.extend(split(list, principals, objects));
    }
    Ok(rules.into())
}

/// An entry's values that end with `/%` become entries of their own, before the rest.
fn split(list: List, principals: Entity, objects: Entity) -> Vec<Rule> {
    let rule = |objects| Rule {
        principals: principals.clone(),
        objects,
    };
    let values = match objects {
        Entity::Some(values) if list.objects() == Objects::Roles => values,
        objects => return vec![rule(objects)],
    };
    let below = |value: &String| {
        value
            .strip_suffix('%')
            .filter(|prefix| prefix.ends_with('/'))
            .map(str::to_owned)
    };
    let mut rules: Vec<Rule> = values
        .iter()
        .filter_map(below)
        .map(Entity::Below)
        .map(&rule)
        .collect();
    let plain: BTreeSet<String> = values
        .into_iter()
        .filter(|value| below(value).is_none())
        .collect();
    if !plain.is_empty() {
        rules.push(rule(Entity::Some(plain)));
    }
    rules
}

fn check_objects(list: List, objects: Entity) -> Result<Entity, Error> {
    if let Entity::Some(values) = &objects {
        match list.objects() {
            Objects::Implicit => {
                return Err(Error::ImplicitObject {
                    list: list.name(),
                    field: list.field(),
                });
            }
            Objects::Paths => {
                if let Some(path) = values.iter().find(|path| !is_authorizable(path)) {
                    return Err(Error::Path(path.clone()));
                }
            }
            Objects::Names | Objects::Roles | Objects::ImplicitLenient => {}
        }
    }
    Ok(objects)
}

fn entity(list: List, field: &str, value: &Value) -> Result<Entity, Error> {
    let Value::Object(object) = value else {
        return Err(malformed(list, &format!("'{field}' is not an object")));
    };
    match present(object, "type").map(Value::as_str) {
        None | Some(Some("SOME")) => {}
        Some(Some("ANY")) => return Ok(Entity::Any),
        Some(Some("NONE")) => return Ok(Entity::None),
        Some(_) => {
            return Err(malformed(
                list,
                &format!("the type of '{field}' is not SOME, ANY or NONE"),
            ));
        }
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let values: Option<BTreeSet<String>> = match present(object, "values") {
        None => Some(BTreeSet::new()),
        Some(values) => items(values).iter().map(text).collect(),
    };
    values
        .map(Entity::Some)
        .ok_or_else(|| malformed(list, &format!("a value of '{field}' is not text")))
}

/// A list, or one value where a list is meant.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// The value of a key; null is as if absent.
fn present<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn boolean(value: &Value) -> Result<bool, Error> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        _ => Err(Error::Acls("'permissive' is not true or false".to_owned())),
    }
}

fn malformed(list: List, reason: &str) -> Error {
    Error::Acls(format!("list '{}': {reason}", list.name()))
}
