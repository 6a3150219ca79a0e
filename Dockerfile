# SPDX-License-Identifier: Apache-2.0
#
# Belt in a container: one image for broker, workers and clients. Runs as an unprivileged user.
#
#   docker build -t belt .
#   seq 1 10 | docker run --rm -i belt map -j4 -- expr {} + {}

FROM debian:bookworm-slim AS build
COPY scripts/install-deps /src/scripts/install-deps
RUN /src/scripts/install-deps build
COPY . /src
RUN cmake -G Ninja -S /src -B /build -DCMAKE_BUILD_TYPE=Release -DBELT_TESTS=OFF -DBELT_WERROR=OFF -DCMAKE_INSTALL_PREFIX=/usr/local \
    && ninja -C /build \
    && DESTDIR=/staged ninja -C /build install

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libzmq5 libczmq4 libjansson4 libsqlite3-0 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/belt --shell /usr/sbin/nologin belt \
    && install -d -m 700 -o belt -g belt /var/lib/belt /etc/belt /run/belt
COPY --from=build /staged/usr/local /usr/local
RUN ldconfig && belt version
USER belt
WORKDIR /tmp

# Of a broker; docker-compose.yml gives workers and clients checks of their own.
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=3 CMD ["belt", "ping", "--broker", "tcp://127.0.0.1:7878"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["belt"]
CMD ["broker"]
