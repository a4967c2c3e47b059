//! rag_rust: a RAG server on axum and tokio with jemalloc, to be profiled.
//!
//!     rag_rust --port PORT
//!
//! POST /api/v1/retrieval/search, /api/v1/chat (streamed), /api/v1/context;
//! GET /api/v1/context/{id}, /health, /metrics.  RAG_FAULT=native_leak loses
//! 1,000 bytes with each chat, in keep_forever; RAG_FAULT=cache keeps each
//! chat's prompt, in remember_prompt.

mod span;
mod store;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{json, Value};

use span::spanned;
use store::Store;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Default)]
struct App {
    store: Store,
    requests: AtomicU64,
    fault: String,
    prompts: Mutex<Vec<String>>,
}

type Shared = State<Arc<App>>;

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    query: String,
    #[serde(default = "five")]
    k: usize,
}

#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    session: String,
}

fn five() -> usize {
    5
}

#[inline(never)]
fn keep_forever() {
    std::mem::forget(std::hint::black_box(vec![1u8; 1000]));
}

#[inline(never)]
fn remember_prompt(app: &App, prompt: &str) {
    app.prompts.lock().unwrap().push(format!("{prompt}{}", " ".repeat(200)));
}

/// The three levels, one after the other; the last on a thread for itself.
async fn retrieve(app: Arc<App>, query: String, k: usize) -> Vec<(u64, f32)> {
    if let Some(found) = app.store.cached(&query) {
        return found;
    }
    tokio::task::yield_now().await; // and perhaps another thread goes on
    tokio::task::spawn_blocking(move || app.store.search(&query, k))
        .await
        .unwrap_or_default()
}

async fn search(State(app): Shared, Json(asked): Json<Search>) -> Json<Value> {
    app.requests.fetch_add(1, Ordering::Relaxed);
    let found = spanned("retrieve", retrieve(app.clone(), asked.query, asked.k)).await;
    let hits: Vec<Value> = found
        .iter()
        .filter_map(|(id, score)| {
            let document = app.store.get(*id)?;
            Some(json!({ "id": id, "score": score, "text": document.text }))
        })
        .collect();
    Json(json!({ "hits": hits }))
}

/// Allocates the same number of bytes on either side of a wait.
async fn generate(prompt: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in 0..4 {
        parts.push(format!("{part}:{}", "x".repeat(996)));
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    parts.push(prompt.chars().rev().collect());
    parts
}

async fn chat(
    State(app): Shared,
    Json(asked): Json<Chat>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    app.requests.fetch_add(1, Ordering::Relaxed);
    match app.fault.as_str() {
        "native_leak" => keep_forever(),
        "cache" => remember_prompt(&app, &asked.prompt),
        _ => {}
    }
    let context = app.store.session(&asked.session, &asked.prompt);
    let found = spanned("retrieve", retrieve(app.clone(), asked.prompt.clone(), 3)).await;
    let parts = spanned("generate", generate(&asked.prompt)).await;
    let head = format!("{} lines, {} documents", context.len(), found.len());
    let events = std::iter::once(head).chain(parts).collect::<Vec<_>>();
    Sse::new(stream::unfold(events.into_iter(), |mut rest| async move {
        let next = rest.next()?;
        tokio::task::yield_now().await;
        Some((Ok(Event::default().data(next)), rest))
    }))
}

async fn keep(State(app): Shared, body: String) -> (StatusCode, Json<Value>) {
    app.requests.fetch_add(1, Ordering::Relaxed);
    let id = app.store.store(&body);
    (StatusCode::CREATED, Json(json!({ "id": id })))
}

async fn look_up(State(app): Shared, Path(id): Path<u64>) -> (StatusCode, Json<Value>) {
    app.requests.fetch_add(1, Ordering::Relaxed);
    match app.store.get(id) {
        Some(d) => (StatusCode::OK, Json(json!({ "id": d.id, "text": d.text }))),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such document" }))),
    }
}

async fn metrics(State(app): Shared) -> String {
    format!(
        "requests_total {}\ndocuments {}\n",
        app.requests.load(Ordering::Relaxed),
        app.store.count()
    )
}

fn port() -> u16 {
    let words: Vec<String> = std::env::args().collect();
    match words.as_slice() {
        [_, option, port] if option == "--port" => port.parse().unwrap_or(0),
        _ => 0,
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> std::io::Result<()> {
    let app = Arc::new(App {
        fault: std::env::var("RAG_FAULT").unwrap_or_default(),
        ..App::default()
    });
    for i in 0..2000 {
        app.store.store(&format!("document {i} about topic {} and {}", i % 37, i % 101));
    }
    let router = Router::new()
        .route("/api/v1/retrieval/search", post(search))
        .route("/api/v1/chat", post(chat))
        .route("/api/v1/context", post(keep))
        .route("/api/v1/context/{id}", get(look_up))
        .route("/health", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port()))
        .await?
        .tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            let mut end =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                    .expect("a handler");
            end.recv().await;
        })
        .await
}
