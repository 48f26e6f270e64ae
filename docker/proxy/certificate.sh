#!/bin/sh
# The server's certificate, in the volume /tls: certificate.sh own | given | show
#   own     an authority of this server's own (once, ten years) and a certificate by it for MLFLOW_SERVER_NAMES
#   given   a certificate, its chain and its key, all in PEM, from standard input, in place of that
#   renew   the same for the inside alone, where one was given
#   show    names and end of the one in use
set -eu
umask 077
cd /tls

show() { openssl x509 -in server.pem -noout -enddate -ext subjectAltName | sed 's/^ *//'; }

own() {
    if [ ! -s ca.key ]; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -keyout ca.key -out ca.pem \
            -subj "/CN=sdpa_exp tracking server, own authority" -addext keyUsage=critical,keyCertSign,cRLSign \
            -addext basicConstraints=critical,CA:TRUE,pathlen:0 2>/dev/null
    fi
    names="DNS:localhost,DNS:proxy,IP:127.0.0.1,IP:::1"
    for name in $(echo "${MLFLOW_SERVER_NAMES:-}" | tr , ' '); do
        case $name in
            *[!0-9.]*) names="$names,DNS:$name" ;;
            *) names="$names,IP:$name" ;;
        esac
    done
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout new.key -out new.csr \
        -subj "/CN=sdpa_exp tracking server" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" >new.ext
    openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 820 -extfile new.ext -out new.pem 2>/dev/null
    cat ca.pem >>new.pem
    echo "${MLFLOW_SERVER_NAMES:-}" >names
    mv new.key own.key
    mv new.pem own.pem
    rm -f new.csr new.ext
    cat ca.pem >/ca/ca.pem
    chmod 644 /ca/ca.pem
    if [ ! -e given ]; then cp own.key server.key && cp own.pem server.pem; fi
}

given() {
    cat >new.all
    openssl x509 -in new.all -out /dev/null 2>/dev/null || { rm new.all; echo "no certificate in PEM on standard input" >&2; exit 1; }
    openssl pkey -in new.all -out new.key 2>/dev/null || { rm -f new.all new.key; echo "no private key in PEM on standard input" >&2; exit 1; }
    sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' new.all >new.pem
    rm new.all
    if [ "$(openssl x509 -in new.pem -noout -pubkey)" != "$(openssl pkey -in new.key -pubout)" ]; then
        rm new.pem new.key
        echo "the key is not that of the first certificate: give the server's certificate first, then its chain" >&2
        exit 1
    fi
    mv new.key server.key
    mv new.pem server.pem
    touch given
}

case ${1:-} in
    own) rm -f given; own ;;
    renew) own ;;
    given) given ;;
    show) show; exit ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
esac
[ ! -s /tmp/nginx.pid ] || nginx -c /opt/proxy/nginx.conf -s reload
show
