//! The context store: a cache in memory, the session's short-term memory, and
//! the long-term one, which is searched by embedding.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, RwLock};

pub const DIMENSION: usize = 64;
const CACHE_MAX: usize = 512;
const SHORT_TERM_MAX: usize = 64;
const SESSIONS_MAX: usize = 256;

#[derive(Clone)]
pub struct Document {
    pub id: u64,
    pub text: String,
    pub embedding: [f32; DIMENSION],
}

#[derive(Default)]
struct Cache {
    by_query: HashMap<String, Vec<(u64, f32)>>,
    order: VecDeque<String>,
}

#[derive(Default)]
pub struct Store {
    cache: Mutex<Cache>,
    short_term: Mutex<HashMap<String, VecDeque<String>>>,
    long_term: RwLock<Vec<Document>>,
}

/// Deterministic, and unlike for unlike texts: a hashed bag of words.
pub fn embed(text: &str) -> [f32; DIMENSION] {
    let mut out = [0f32; DIMENSION];
    for word in text.split_whitespace() {
        let mut hash = 0xcbf29ce484222325u64;
        for byte in word.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100000001b3);
        }
        out[(hash % DIMENSION as u64) as usize] += if hash >> 63 == 0 { 1.0 } else { -1.0 };
    }
    out
}

impl Store {
    pub fn store(&self, text: &str) -> u64 {
        let mut documents = self.long_term.write().unwrap();
        let id = documents.len() as u64 + 1;
        documents.push(Document { id, text: text.to_string(), embedding: embed(text) });
        id
    }

    pub fn get(&self, id: u64) -> Option<Document> {
        let documents = self.long_term.read().unwrap();
        documents.get((id as usize).checked_sub(1)?).cloned()
    }

    pub fn count(&self) -> usize {
        self.long_term.read().unwrap().len()
    }

    pub fn cached(&self, query: &str) -> Option<Vec<(u64, f32)>> {
        self.cache.lock().unwrap().by_query.get(query).cloned()
    }

    fn remember(&self, query: &str, found: &[(u64, f32)]) {
        let mut cache = self.cache.lock().unwrap();
        if cache.by_query.insert(query.to_string(), found.to_vec()).is_none() {
            cache.order.push_back(query.to_string());
        }
        if cache.order.len() > CACHE_MAX {
            if let Some(oldest) = cache.order.pop_front() {
                cache.by_query.remove(&oldest);
            }
        }
    }

    /// The @k nearest of the long-term memory.
    pub fn search(&self, query: &str, k: usize) -> Vec<(u64, f32)> {
        let wanted = embed(query);
        let documents = self.long_term.read().unwrap();
        let mut scored: Vec<(u64, f32)> = documents
            .iter()
            .map(|d| {
                let score = d.embedding.iter().zip(&wanted).map(|(a, b)| a * b).sum();
                (d.id, score)
            })
            .collect();
        drop(documents);
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(k);
        self.remember(query, &scored);
        scored
    }

    /// What the session said lately, and what it says now.
    pub fn session(&self, name: &str, said: &str) -> Vec<String> {
        let mut sessions = self.short_term.lock().unwrap();
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(name) {
            sessions.clear();
        }
        let lines = sessions.entry(name.to_string()).or_default();
        lines.push_back(said.to_string());
        if lines.len() > SHORT_TERM_MAX {
            lines.pop_front();
        }
        lines.iter().cloned().collect()
    }
}
