"""Sends to recipients through boto3, and prints what it understood: one JSON object, by recipient. Or makes and checks DKIM.

python clients.py ses URL KEY_ID KEY REGION RECIPIENT…
python clients.py verify PUBLIC_KEY < MESSAGE
"""

import json
import sys


def ses(url, key_id, key, region, *names):
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    client = boto3.client(
        "sesv2",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=key,
        config=Config(retries={"total_max_attempts": 1}),
    )
    told = {}
    try:
        told["account"] = client.get_account()["SendQuota"]
    except ClientError as error:
        told["account"] = error.response["Error"]["Code"]
    for name in names:
        text = {"Data": "Hello", "Charset": "UTF-8"}
        try:
            answer = client.send_email(
                FromEmailAddress="Shop <hello@shop.example>",
                Destination={"ToAddresses": [f"{name}@x.example"]},
                Content={"Simple": {"Subject": text, "Body": {"Html": text, "Text": text}}},
                EmailTags=[{"Name": "segflow", "Value": f"msg_{name}"}],
            )
            told[name] = {"id": answer["MessageId"]}
        except ClientError as error:
            told[name] = {
                "error": type(error).__name__,
                "code": error.response["Error"]["Code"],
                "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
                "message": error.response["Error"].get("Message"),
            }
    print(json.dumps(told))


def verify(public):
    import dkim

    record = f"v=DKIM1; k=rsa; p={public}".encode()
    message = sys.stdin.buffer.read()
    print(json.dumps({"verifies": dkim.verify(message, dnsfunc=lambda name, timeout=5: record)}))


{"ses": ses, "verify": verify}[sys.argv[1]](*sys.argv[2:])
