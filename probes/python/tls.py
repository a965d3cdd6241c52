# SPDX-License-Identifier: MulanPSL-2.0
"""TLS for the Python probes here: the server's certificate is always checked."""

from line_probe import ProbeError, from_environment


class Tls:
    """The files are read anew for each connection, so that a renewed certificate counts without a restart."""

    def __init__(self, args):
        self.args = args

    def context(self):
        # 5 MB that a probe without TLS does not need.
        import ssl  # pylint: disable=import-outside-toplevel

        try:
            context = ssl.create_default_context(cafile=self.args.tls_ca or None)
            if self.args.tls_cert:
                context.load_cert_chain(self.args.tls_cert, self.args.tls_key or None)
            return context
        except OSError as error:
            raise ProbeError(f"cannot use the files for TLS: {error}") from error

    def wrap(self, socket, host):
        return self.context().wrap_socket(socket, server_hostname=self.args.tls_name or host)


def add_tls_files(parser):
    """For a server whose URL says whether it speaks TLS."""
    from_environment(parser, "--tls-ca", default="", help="file of the authorities to trust, instead of the host's")
    from_environment(parser, "--tls-cert", default="", help="file of a certificate to show to the server")
    from_environment(parser, "--tls-key", default="", help="file of its key, when that is another one")


def add_tls(parser):
    from_environment(parser, "--tls", choices=("off", "on"), default="off")
    add_tls_files(parser)
    from_environment(parser, "--tls-name", default="", help="name in the server's certificate, instead of the host's")


def tls_of(args):
    """None where TLS is off."""
    return Tls(args) if args.tls == "on" else None
