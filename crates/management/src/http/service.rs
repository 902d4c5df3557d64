//! One request: checks, body, command, reply.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::http::connections::{Busy, Link};
use crate::http::guard::Guard;
use crate::http::streamed;
use crate::http::{
    ALIVE_EVERY, BODY_BYTES_MAX, Config, Content, FOLLOWERS_MAX, Feed, Page, REQUESTS_MAX,
};
use crate::jsonrpc::{self, Form, Reply};
use crate::{Caller, Registry, Role};

/// What callers are told to have come through.
const NAME: &str = "mi_http";

/// The type of a body with a JSON document on each line.
const LINES: &str = "application/x-ndjson";

/// All that a request needs.
pub(crate) struct Service {
    registry: Arc<Registry>,
    guard: Guard,
    /// Of the commands.
    path: Option<String>,
    pages: Vec<Page>,
    feeds: Vec<Feed>,
    challenge: HeaderValue,
    pretty: bool,
    body_timeout: Duration,
    command_timeout: Duration,
    free: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    /// Tells those who follow when the door closes.
    closing: watch::Receiver<()>,
}

impl Service {
    pub(crate) fn new(
        config: Config,
        registry: Arc<Registry>,
        closing: watch::Receiver<()>,
    ) -> Self {
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
            path: config.root.map(|root| format!("/{}", root.trim_matches('/'))),
            pages: config.pages,
            feeds: config.feeds,
            challenge,
            pretty: config.pretty_printing,
            body_timeout: config.connection_timeout,
            command_timeout: config.command_timeout,
            free: Arc::new(Semaphore::new(REQUESTS_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            closing,
        }
    }

    /// What stands at the path of the request, and what its sender may do with it.
    fn find(&self, request: &Request) -> Result<(Found, Role), Refusal> {
        self.guard.refuse_pages(request.uri(), request.headers())?;
        let path = request.uri().path();
        let page = || self.pages.iter().find(|page| page.path() == path).cloned();
        let feed = || self.feeds.iter().find(|feed| feed.path() == path).cloned();
        let (found, allowed) = if self.path.as_deref() == Some(path) {
            (Found::Commands, "POST")
        } else if let Some(page) = page() {
            (Found::Page(page), "GET, HEAD")
        } else if let Some(feed) = feed() {
            (Found::Feed(feed), "GET")
        } else {
            return Err(StatusCode::NOT_FOUND.into());
        };
        if !allowed.split(", ").any(|method| request.method() == method) {
            return Err(Refusal::Method(allowed));
        }
        let role = self.guard.authorize(request.headers())?;
        Ok((found, role))
    }

    fn check_command(request: &Request) -> Result<(), StatusCode> {
        if announced_length(request.headers()) == Some(0) {
            return Err(StatusCode::BAD_REQUEST);
        }
        Guard::require_json(request.headers())
    }

    async fn answer(&self, request: Request, link: Link) -> Result<Response, Refusal> {
        let work = match self.find(&request)? {
            (Found::Page(page), _) => Work::Page(page),
            (Found::Feed(feed), _) => return Ok(self.follow(feed, request.headers())?),
            (Found::Commands, role) => {
                let form = wanted_form(request.headers());
                let caller = Caller { door: NAME, peer: link.peer.to_string(), role };
                Work::Command(self.document(request).await?, form, caller)
            }
        };
        Ok(self.run(work, link.busy).await?)
    }

    fn follow(&self, feed: Feed, headers: &HeaderMap) -> Result<Response, StatusCode> {
        let place = Arc::clone(&self.followers)
            .try_acquire_owned()
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let alive_every = ALIVE_EVERY.min(self.body_timeout / 2);
        let body = feed.body(headers, place, self.closing.clone(), alive_every);
        Ok((self::headers("text/event-stream"), body).into_response())
    }

    /// The body of a command.
    async fn document(&self, request: Request) -> Result<Bytes, StatusCode> {
        Self::check_command(&request)?;
        if announced_length(request.headers()).is_some_and(|length| length > BODY_BYTES_MAX as u64)
        {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let body = timeout(self.body_timeout, to_bytes(request.into_body(), BODY_BYTES_MAX))
            .await
            .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
            .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        if body.is_empty() { Err(StatusCode::BAD_REQUEST) } else { Ok(body) }
    }

    /// Does it on a thread of its own.
    async fn run(&self, work: Work, busy: Busy) -> Result<Response, StatusCode> {
        let place = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let _running = busy.begin();
        let registry = Arc::clone(&self.registry);
        let pretty = self.pretty;
        let command = tokio::task::spawn_blocking(move || match work {
            // The place is held by the work itself: one that outlives its time-out still counts.
            Work::Command(body, form, caller) => {
                respond(jsonrpc::answer_to(&caller, &registry, &body, form), pretty, place)
            }
            Work::Page(page) => {
                let _place = place;
                show(page.make())
            }
        });
        timeout(self.command_timeout, command)
            .await
            .map_err(|_| StatusCode::GATEWAY_TIMEOUT)?
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        let (status, header) = match refusal {
            Refusal::Method(allowed) => {
                let allowed = HeaderValue::from_static(allowed);
                (StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, allowed)))
            }
            Refusal::Status(StatusCode::UNAUTHORIZED) => {
                (StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, self.challenge.clone())))
            }
            Refusal::Status(status) => (status, None),
        };
        let mut response = status.into_response();
        response.headers_mut().extend(header);
        response
    }
}

/// What stands at a path.
enum Found {
    Commands,
    Page(Page),
    Feed(Feed),
}

/// What a request is about.
enum Work {
    Command(Bytes, Form, Caller),
    Page(Page),
}

/// Why there is no answer.
enum Refusal {
    Status(StatusCode),
    /// Only these methods are allowed.
    Method(&'static str),
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

/// Every path and method leads to the one service, so that nothing is answered unchecked.
pub(crate) fn router(service: Service) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(service))
}

async fn handle(
    State(service): State<Arc<Service>>,
    ConnectInfo(link): ConnectInfo<Link>,
    request: Request,
) -> Response {
    service.answer(request, link).await.unwrap_or_else(|refusal| service.refuse(refusal))
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
    (headers(content_type), body).into_response()
}

/// A page as a response.
fn show(content: Content) -> Response {
    let status = if content.well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, headers(content.media_type), content.text).into_response()
}

fn headers(media_type: &'static str) -> [(HeaderName, HeaderValue); 2] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
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
