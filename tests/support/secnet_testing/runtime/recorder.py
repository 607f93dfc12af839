"""A chained CNI plugin that records each call as a line of JSON in the file $SN_RECORD, and changes nothing.

Its configuration may have `failWhile`: a path; ADD fails while there is a file.
"""

import json
import os
import sys

conf = json.load(sys.stdin) if os.environ["CNI_COMMAND"] != "VERSION" else {}
call = {key: value for key, value in os.environ.items() if key.startswith("CNI_")}
with open(os.environ["SN_RECORD"], "a", encoding="utf-8") as file:
    file.write(json.dumps({**call, "conf": conf}) + "\n")
if call["CNI_COMMAND"] == "VERSION":
    print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}))
elif call["CNI_COMMAND"] == "ADD" and os.path.exists(conf.get("failWhile", "")):
    print(json.dumps({"cniVersion": conf["cniVersion"], "code": 100, "msg": "told to fail"}))
    sys.exit(1)
elif call["CNI_COMMAND"] == "ADD":
    print(json.dumps({**conf["prevResult"], "cniVersion": conf["cniVersion"]}))
