//! strandline.h for futures: what a task does is charged to its own span,
//! whatever thread polls it.

use std::ffi::CString;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

#[repr(C)]
struct Raw {
    number: u64,
    parent: u64,
}

struct Hooks {
    begin: unsafe extern "C" fn(*mut Raw, *const libc::c_char),
    end: unsafe extern "C" fn(*const Raw),
    turn: unsafe extern "C" fn(u64) -> u64,
}

fn hook(name: &str) -> Option<*mut libc::c_void> {
    let name = CString::new(name).ok()?;
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!at.is_null()).then_some(at)
}

/// None where the profiler is not loaded.
fn hooks() -> Option<&'static Hooks> {
    static HOOKS: OnceLock<Option<Hooks>> = OnceLock::new();
    HOOKS
        .get_or_init(|| unsafe {
            Some(Hooks {
                begin: std::mem::transmute(hook("strandline_span_begin")?),
                end: std::mem::transmute(hook("strandline_span_end")?),
                turn: std::mem::transmute(hook("strandline_span_turn")?),
            })
        })
        .as_ref()
}

/// A future at a span of its own.
pub struct Spanned<F> {
    name: &'static str,
    inner: Pin<Box<F>>,
    raw: Raw,
    begun: bool,
}

pub fn spanned<F: Future>(name: &'static str, inner: F) -> Spanned<F> {
    Spanned {
        name,
        inner: Box::pin(inner),
        raw: Raw { number: 0, parent: 0 },
        begun: false,
    }
}

impl<F: Future> Future for Spanned<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(h) = hooks() else {
            return self.inner.as_mut().poll(cx);
        };
        let before = if self.begun {
            unsafe { (h.turn)(self.raw.number) }
        } else {
            let name = CString::new(self.name).unwrap_or_default();
            unsafe { (h.begin)(&mut self.raw, name.as_ptr()) };
            self.begun = true;
            self.raw.parent
        };
        let done = self.inner.as_mut().poll(cx);
        if done.is_ready() {
            unsafe { (h.end)(&self.raw) };
            self.raw.number = 0;
        }
        unsafe { (h.turn)(before) };
        done
    }
}

impl<F> Drop for Spanned<F> {
    fn drop(&mut self) {
        if self.raw.number != 0 {
            if let Some(h) = hooks() {
                unsafe { (h.end)(&self.raw) };
            }
        }
    }
}
