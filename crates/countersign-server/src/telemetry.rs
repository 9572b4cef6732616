//! The log: structured lines on standard error, each on one line whatever somebody put into it.

use std::{fmt, io, io::IsTerminal};

use countersign::core::meters::SPANS;
use tracing::{Event, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{DefaultFields, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
};

use crate::{
    config::{LogFormat, LogLevel},
    traces::Recorder,
};

/// Starts the log of this process.
pub(crate) fn start(format: Option<LogFormat>, level: LogLevel) {
    begin(log(or_automatic(format), level, io::stderr));
}

/// Starts the log of this process, and beside it what records traces.
pub(crate) fn start_beside(traces: Recorder, format: Option<LogFormat>, level: LogLevel) {
    begin(log_beside(traces, or_automatic(format), level));
}

fn or_automatic(format: Option<LogFormat>) -> LogFormat {
    format.unwrap_or(if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json })
}

fn begin(log: Box<dyn Subscriber + Send + Sync>) {
    // Fails only if there is a log already, and then that one is good.
    let _ = tracing::subscriber::set_global_default(log);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(event = "panic", place, message, "a fault of the program");
    }));
}

/// The log as it is written to `writer`.
pub(crate) fn log<W>(format: LogFormat, level: LogLevel, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_max_level(filter(level)).with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Text => {
            let format = OneLine(tracing_subscriber::fmt::format());
            Box::new(builder.fmt_fields(DefaultFields::new()).event_format(format).finish())
        }
        LogFormat::Json => {
            let format = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            Box::new(builder.fmt_fields(JsonFields::new()).event_format(OneLine(format)).finish())
        }
    }
}

/// The log on standard error, beside what records traces: each has the spans of its own alone.
fn log_beside(traces: Recorder, format: LogFormat, level: LogLevel) -> Box<dyn Subscriber + Send + Sync> {
    let level = filter(level);
    let not_of_traces = filter_fn(move |about| about.target() != SPANS && *about.level() <= level);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let of_traces = traces.with_filter(filter_fn(|about| about.target() == SPANS));
    let registry = tracing_subscriber::registry().with(of_traces);
    match format {
        LogFormat::Text => {
            let layer = layer.fmt_fields(DefaultFields::new()).event_format(OneLine(tracing_subscriber::fmt::format()));
            Box::new(registry.with(layer.with_filter(not_of_traces)))
        }
        LogFormat::Json => {
            let format = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            let layer = layer.fmt_fields(JsonFields::new()).event_format(OneLine(format));
            Box::new(registry.with(layer.with_filter(not_of_traces)))
        }
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Formats as the format inside does, with every character escaped that could end the line or move the cursor.
struct OneLine<F>(F);

impl<F, S, N> FormatEvent<S, N> for OneLine<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{}", one_line(line.trim_end_matches('\n')))
    }
}

/// The text with controls, line separators and marks of direction as `\uXXXX`, which in JSON means the same.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escape(&mut line, character);
            }
            character if character.is_control() => escape(&mut line, character),
            character => line.push(character),
        }
    }
    line
}

fn escape(line: &mut String, character: char) {
    // Writing to a string does not fail.
    let _ = fmt::Write::write_fmt(line, format_args!("\\u{:04x}", u32::from(character)));
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn l3_nothing_ends_a_line_or_moves_the_cursor() {
        let hostile = "a\r\nb\u{1b}[2Jc\u{2028}d\u{85}e\u{202e}f\u{7f}\t";
        let expected = r"a\u000d\u000ab\u001b[2Jc\u2028d\u0085e\u202ef\u007f\u0009";
        assert_eq!(one_line(hostile), expected);
        assert_eq!(one_line("Zoë \"🦀\" \\"), "Zoë \"🦀\" \\");
    }
}
