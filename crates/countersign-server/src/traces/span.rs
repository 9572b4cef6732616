//! A span while it is open, and once it is closed.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use countersign::{Rng, core::clock::System};
use tracing::{
    field::{Field, Visit},
    span::Attributes,
};

/// Names a trace.
pub(super) type TraceId = [u8; 16];

/// Names a span of it.
pub(super) type SpanId = [u8; 8];

/// Where the parent of a first span stands among its fields.
const TRACEPARENT: &str = "traceparent";

/// The span above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

/// A span that lasts still.
#[derive(Debug)]
pub(super) struct Open {
    span: Span,
    began: Instant,
}

/// A span that is over.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: &'static str,
    /// Since the epoch.
    pub(super) began_at: Duration,
    pub(super) took: Duration,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl Parent {
    /// Reads a `traceparent` (W3C Trace Context §3.2.2). What later versions add behind is not looked at; the flags are not
    /// heeded.
    pub(super) fn read(text: &str) -> Option<Self> {
        /// The length of version 00, which is all of it.
        const LENGTH: usize = 55;
        let known = text.get(..LENGTH)?;
        let rest = &text[LENGTH..];
        let mut parts = known.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let (version, _flags) = (bytes::<1>(version)?, bytes::<1>(flags)?);
        let fits = match version {
            [0] => rest.is_empty(),
            [0xff] => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let parent = Self { trace: bytes(trace)?, span: bytes(span)? };
        // All zeros name nothing.
        (fits && parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
    }
}

/// `N` bytes in lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    let mut read = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in read.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(read)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    System.fill(&mut bytes);
    bytes
}

impl Open {
    /// The first span of a trace, or one that goes on with the trace of whoever asked.
    pub(super) fn first(attributes: &Attributes<'_>) -> Self {
        Self::new(random(), None, attributes)
    }

    /// A part of a span.
    pub(super) fn within(parent: Parent, attributes: &Attributes<'_>) -> Self {
        Self::new(parent.trace, Some(parent.span), attributes)
    }

    fn new(trace: TraceId, parent: Option<SpanId>, attributes: &Attributes<'_>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "`Clock` tells whole seconds, and a trace is of milliseconds")]
        let began_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (id, name) = (random(), attributes.metadata().name());
        let span = Span { trace, id, parent, name, began_at, took: Duration::ZERO, attributes: Vec::new() };
        let mut open = Self { span, began: Instant::now() };
        attributes.record(&mut open);
        open
    }

    /// As what its parts know it.
    pub(super) fn as_parent(&self) -> Parent {
        Parent { trace: self.span.trace, span: self.span.id }
    }

    pub(super) fn close(self) -> Span {
        Span { took: self.began.elapsed(), ..self.span }
    }
}

impl Span {
    /// What it says by this name.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Visit for Open {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != TRACEPARENT {
            return self.span.attributes.push((field.name(), Value::Text(value.to_owned())));
        }
        if let Some(parent) = Parent::read(value) {
            (self.span.trace, self.span.parent) = (parent.trace, Some(parent.span));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.span.attributes.push((field.name(), Value::Number(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Nothing else is said of spans: what prints itself might print anything.
    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}
