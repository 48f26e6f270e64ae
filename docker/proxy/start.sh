#!/bin/sh
# Starts nginx; first its own certificate, where the names have changed or it ends within 30 days.
set -eu
cd /tls
if [ ! -s own.pem ] || [ ! -s /ca/ca.pem ] || [ "$(cat names)" != "${MLFLOW_SERVER_NAMES:-}" ] ||
    ! openssl x509 -in own.pem -noout -checkend 2592000 >/dev/null; then
    /opt/proxy/certificate.sh renew
fi
exec nginx -c /opt/proxy/nginx.conf
