// A button "AI diagnosis" on the study page of Orthanc Explorer, for sites without a viewer.
// The plugin hands this file to Orthanc (jQuery 1.7 and jQuery Mobile 1.1 are there already).

$('#study').live('pagebeforecreate', function () {
  var button = $('<a>', { id: 'ai-diagnosis', href: '#', 'data-role': 'button', 'data-icon': 'star' });
  button.text('AI diagnosis (research use only)').insertBefore($('#study-delete').parent().parent());
  button.click(function () {
    if ($.mobile.pageData) {
      $.getJSON('../studies/' + $.mobile.pageData.uuid, function (study) {
        askForRun(study.MainDicomTags.StudyInstanceUID);
      });
    }
    return false;
  });

  function askForRun(uid) {
    $.ajax({ url: '../ai/studies/' + encodeURIComponent(uid) + '/runs', type: 'POST' })
      .done(function () { follow(uid, 0); })
      .fail(function (answer) {
        if (answer.status === 409) { follow(uid, 0); } else { say(problem(answer)); }
      });
  }

  function follow(uid, asked) {
    $.getJSON('../ai/studies/' + encodeURIComponent(uid))
      .done(function (study) {
        say(sentence(study));
        if (/^(RECEIVED|QUEUED|RUNNING)$/.test(study.state) && asked < 300) {
          setTimeout(function () { follow(uid, asked + 1); }, 1000);
        }
      })
      .fail(function (answer) { say(problem(answer)); });
  }

  function sentence(study) {
    if (study.state === 'REPORTED') { return study.priority + ': ' + study.priority_reason; }
    if (study.state === 'REFUSED') { return 'Not read: ' + study.refusal.reason; }
    if (study.state === 'FAILED') { return 'Failed: ' + study.error.message + ' Press to try again.'; }
    return 'AI: ' + study.state.toLowerCase() + ' …';
  }

  function problem(answer) {
    try { return JSON.parse(answer.responseText).detail; } catch (e) { return 'The node does not answer.'; }
  }

  function say(text) {
    button.find('.ui-btn-text').text('AI diagnosis (research use only) — ' + text);
  }
});
