//! The API's description of itself: an OpenAPI 3.1 document made from the table of routes.

use serde_json::{Map, Value, json};

use super::problem::Code;
use super::routes::{Access, Method, ROUTES, Route, Span};

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in &ROUTES {
        let method = match route.method {
            Method::Get => "get",
            Method::Post => "post",
        };
        let place = paths.entry(route.path).or_insert_with(|| json!({}));
        place[method] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "clinic-mesh node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The one API of every face: the command line by the node's Unix socket, \
                browsers by HTTPS. Reading a conversation always needs a staff login.",
        },
        "paths": paths,
        "components": {
            "schemas": super::schema::all(),
            "securitySchemes": {
                "login": { "type": "http", "scheme": "bearer" },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-clinic-mesh",
                    "description": "In browsers. Acts also show the header Clinic-Proof.",
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": format!("{:?}", route.id),
        "summary": route.about,
        "x-access": access(route.access),
        "security": security(route.access),
        "responses": {
            "200": { "description": "Done.", "content": content(route) },
            "default": {
                "description": problem_words(),
                "content": { "application/json": { "schema": reference("Problem") } },
            },
        },
    });
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(takes) = route.takes {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(takes) } },
        });
    }
    operation
}

fn content(route: &Route) -> Value {
    match route.span {
        Span::Answer => json!({ "application/json": { "schema": reference(route.gives) } }),
        Span::File => json!({ "application/octet-stream": { "schema": reference(route.gives) } }),
        Span::Stream => json!({ "text/event-stream": { "schema": reference(route.gives) } }),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let parameter = |name: &str, place: &str| {
        json!({
            "name": name,
            "in": place,
            "required": place == "path",
            "schema": { "type": "string" },
        })
    };
    let inside = route.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(parameter(name, "path"))
    });
    inside
        .chain(route.query.iter().map(|name| parameter(name, "query")))
        .collect()
}

fn security(access: Access) -> Value {
    match access {
        Access::Staff | Access::Begun | Access::Factor | Access::Enrolling => {
            json!([{ "login": [] }, { "cookie": [] }])
        }
        Access::StaffOrOperator | Access::AuditorOrOperator => {
            json!([{ "login": [] }, { "cookie": [] }, {}])
        }
        Access::Anyone | Access::Operator => json!([{}]),
    }
}

const fn access(access: Access) -> &'static str {
    match access {
        Access::Anyone => "anyone",
        Access::Staff => "staff",
        Access::Begun => "staff, however far signed in",
        Access::Factor => "staff yet to show the second factor",
        Access::Enrolling => "staff, also yet to set up a second factor",
        Access::Operator => "operator",
        Access::StaffOrOperator => "staff or operator",
        Access::AuditorOrOperator => "auditor or operator",
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn problem_words() -> String {
    let words: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("{} {}", code.status(), super::schema::word(code)))
        .collect();
    format!("A problem: {}.", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(name) if key == "$ref" => found.push(name.to_owned()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_schema_that_is_named_is_described_and_every_one_described_is_named() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for name in &found {
            let place = name
                .strip_prefix('#')
                .expect("a reference into the document");
            assert!(document.pointer(place).is_some(), "{name}");
        }
        let schemas = document["components"]["schemas"]
            .as_object()
            .expect("schemas");
        for name in schemas.keys() {
            let reference = format!("#/components/schemas/{name}");
            assert!(found.contains(&reference), "{name} is not used");
        }
    }

    #[test]
    fn every_route_of_the_table_is_described_with_its_access() {
        let document = document();
        for route in &ROUTES {
            let method = if route.method == Method::Get {
                "get"
            } else {
                "post"
            };
            let described = &document["paths"][route.path][method];
            assert_eq!(
                described["x-access"],
                access(route.access),
                "{}",
                route.path
            );
        }
    }
}
