//! What axum's own extractors need: nothing.

use axum::extract::{self, Extension};
use axum::http;

use super::{Argument, Arguments, Requirement, TakesArguments};

macro_rules! no_guards {
    ($($(#[$attribute:meta])* $extractor:ty $(, $generic:ident)*;)*) => {$(
        $(#[$attribute])*
        impl<S, $($generic),*> Argument<S> for $extractor {}
    )*};
}

no_guards! {
    extract::State<T>, T;
    Extension<T>, T;
    extract::Path<T>, T;
    extract::Query<T>, T;
    extract::RawQuery;
    extract::RawForm;
    extract::RawPathParams;
    extract::Form<T>, T;
    extract::Json<T>, T;
    extract::ConnectInfo<T>, T;
    extract::MatchedPath;
    extract::NestedPath;
    extract::OriginalUri;
    #[cfg(feature = "ws")]
    extract::ws::WebSocketUpgrade;
    #[cfg(feature = "multipart")]
    extract::Multipart;
    extract::Request;
    axum::body::Body;
    axum::body::Bytes;
    String;
    http::HeaderMap;
    http::Method;
    http::Uri;
    http::Version;
    http::Extensions;
    http::request::Parts;
    // A refusal that the handler gets as a value keeps nobody out.
    Result<T, E>, T, E;
}

impl<S, T: Argument<S>> Argument<S> for Option<T> {
    fn requirement() -> Requirement {
        T::requirement().optional()
    }
}

impl<S, T: Argument<S>> Argument<S> for aide::NoApi<T> {
    fn requirement() -> Requirement {
        T::requirement()
    }
}

macro_rules! tuples {
    ($($($argument:ident)*;)*) => {$(
        impl<Function, Answering, $($argument),*> TakesArguments<($($argument,)*)> for Function where
            Function: FnOnce($($argument),*) -> Answering
        {
        }

        impl<S, $($argument: Argument<S>),*> Arguments<S> for ($($argument,)*) {
            fn list() -> Vec<(&'static str, Requirement)> {
                vec![$((std::any::type_name::<$argument>(), $argument::requirement())),*]
            }
        }
    )*};
}

tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
    A B C D E F G H I J K L M;
    A B C D E F G H I J K L M N;
    A B C D E F G H I J K L M N O;
    A B C D E F G H I J K L M N O P;
}

macro_rules! tuple_arguments {
    ($($($argument:ident)+;)*) => {$(
        /// All of them are needed.
        impl<S, $($argument: Argument<S>),+> Argument<S> for ($($argument,)+) {
            fn requirement() -> Requirement {
                Requirement::none()$(.and($argument::requirement()))+
            }
        }
    )*};
}

tuple_arguments! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}
