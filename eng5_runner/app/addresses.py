"""Where services are expected if nobody names their address: on this machine, at their usual ports."""

CJ_DEFAULT = "http://localhost:9095"
IDENTITY_DEFAULT = "http://localhost:7005/v1/auth"
