# The server alone: docker build -t countersign .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p countersign-server

FROM debian:bookworm-slim
# The certificates by which it knows a database or an issuer elsewhere.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --shell /usr/sbin/nologin countersign
COPY --from=build /src/target/release/countersign /usr/local/bin/countersign
USER countersign
EXPOSE 8000
ENTRYPOINT ["countersign"]
CMD ["serve", "--listen", "0.0.0.0:8000"]
