//! One request: checks, body, command, reply.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Registry;
use crate::http::connections::Busy;
use crate::http::guard::Guard;
use crate::http::streamed;
use crate::http::{BODY_BYTES_MAX, Config, REQUESTS_MAX};
use crate::jsonrpc::{self, Form, Reply};

/// The type of a body with a JSON document on each line.
const LINES: &str = "application/x-ndjson";

/// All that a request needs.
pub(crate) struct Service {
    registry: Arc<Registry>,
    guard: Guard,
    path: String,
    challenge: HeaderValue,
    pretty: bool,
    body_timeout: Duration,
    command_timeout: Duration,
    free: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(config: Config, registry: Arc<Registry>) -> Self {
        let challenge = config
            .basic
            .as_ref()
            .and_then(|basic| {
                let realm = basic.realm.replace(['"', '\\'], "");
                HeaderValue::from_str(&format!("Basic realm=\"{realm}\"")).ok()
            })
            .unwrap_or(HeaderValue::from_static("Bearer"));
        Self {
            registry,
            guard: Guard::new(&config),
            path: format!("/{}", config.root.trim_matches('/')),
            challenge,
            pretty: config.pretty_printing,
            body_timeout: config.connection_timeout,
            command_timeout: config.command_timeout,
            free: Arc::new(Semaphore::new(REQUESTS_MAX)),
        }
    }

    fn check(&self, request: &Request) -> Result<(), StatusCode> {
        self.guard.refuse_pages(request.uri(), request.headers())?;
        if request.uri().path() != self.path {
            return Err(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        self.guard.authorize(request.headers())?;
        if announced_length(request.headers()) == Some(0) {
            return Err(StatusCode::BAD_REQUEST);
        }
        Guard::require_json(request.headers())
    }

    async fn answer(&self, request: Request, busy: Busy) -> Result<Response, StatusCode> {
        self.check(&request)?;
        if announced_length(request.headers()).is_some_and(|length| length > BODY_BYTES_MAX as u64)
        {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let form = wanted_form(request.headers());
        let body = timeout(self.body_timeout, to_bytes(request.into_body(), BODY_BYTES_MAX))
            .await
            .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
            .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        if body.is_empty() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let place = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let _running = busy.begin();
        let registry = Arc::clone(&self.registry);
        let pretty = self.pretty;
        let command = tokio::task::spawn_blocking(move || {
            // Held by the command itself: one that outlives its time-out still counts.
            respond(jsonrpc::answer_in(&registry, &body, form), pretty, place)
        });
        timeout(self.command_timeout, command)
            .await
            .map_err(|_| StatusCode::GATEWAY_TIMEOUT)?
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn refuse(&self, status: StatusCode) -> Response {
        let mut response = status.into_response();
        match status {
            StatusCode::METHOD_NOT_ALLOWED => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::UNAUTHORIZED => {
                response.headers_mut().insert(WWW_AUTHENTICATE, self.challenge.clone());
            }
            _ => {}
        }
        response
    }
}

/// Every path and method leads to the one service, so that nothing is answered unchecked.
pub(crate) fn router(service: Service) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(service))
}

async fn handle(
    State(service): State<Arc<Service>>,
    ConnectInfo(busy): ConnectInfo<Busy>,
    request: Request,
) -> Response {
    service.answer(request, busy).await.unwrap_or_else(|status| service.refuse(status))
}

/// The reply as a response; `place` is given back once it is made.
fn respond(reply: Reply, pretty: bool, place: OwnedSemaphorePermit) -> Response {
    let content_type = match reply {
        Reply::Lines(_) => LINES,
        _ => "application/json",
    };
    let body = match reply {
        Reply::Silence => return StatusCode::ACCEPTED.into_response(),
        Reply::Pieces(pieces) | Reply::Lines(pieces) => streamed::body(pieces, place),
        Reply::Whole(document) if pretty => Body::from(format!("{document:#}")),
        Reply::Whole(document) => Body::from(document.to_string()),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

/// A client that reads lines says so, and gets lists in lines.
fn wanted_form(headers: &HeaderMap) -> Form {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).map(str::trim);
    if kinds.any(|kind| kind.eq_ignore_ascii_case(LINES)) { Form::Lines } else { Form::Document }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
