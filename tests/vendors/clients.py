"""Sends to recipients through boto3, and prints what it understood: one JSON object, by recipient. Or checks DKIM, or signs as SNS.

python clients.py ses URL KEY_ID KEY REGION RECIPIENT…
python clients.py verify PUBLIC_KEY < MESSAGE
python clients.py sns TOPIC < MESSAGE
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


def sns(topic):
    """The message as moto would post it, and the certificate that it signed with."""
    import boto3
    from moto import mock_aws
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns.models import sns_backends

    region, name = topic.split(":")[3], topic.split(":")[5]
    with mock_aws():
        client = boto3.client("sns", region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        arn = client.create_topic(Name=name)["TopicArn"]
        assert arn == topic, arn
        client.subscribe(TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1/")
        backend = sns_backends[DEFAULT_ACCOUNT_ID][region]
        [subscription] = backend.subscriptions.values()
        envelope = subscription.get_post_data(sys.stdin.read(), "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", None)
        pem = backend._message_public_keys[envelope["SigningCertURL"].rsplit("/", 1)[1]]
    print(json.dumps({"envelope": envelope, "pem": pem.decode()}))


{"ses": ses, "verify": verify, "sns": sns}[sys.argv[1]](*sys.argv[2:])
